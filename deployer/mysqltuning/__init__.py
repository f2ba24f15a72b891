"""Tuning of a running database within its host's budget: what to change and why, from what the server told. Pure.

``question`` makes the agent's request, ``tune`` turns its answer into proposals (what runs otherwise than the budget
says), moves (memory that a slice that does not need it could give) and advice on statements.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from deployer.mysqltuning.moves import Move, moves
from deployer.mysqltuning.observed import Observed, Statement, Step, observed, question
from deployer.mysqltuning.proposals import Proposal, outranked, proposals, worst_of
from deployer.mysqltuning.statements import Advice, advice
from deployer.render import Rendered
from deployer.services.mysql.settings import TAKER

__all__ = ["Advice", "Move", "Observed", "Proposal", "Statement", "Step", "Tuning", "observed", "question", "tune"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """What there is to say of a database server.

    Attributes:
        seen: What was seen.
        changes: What runs otherwise than the budget says, in the order in which it can be set.
        outranked: Settings that the next start makes otherwise than the budget, each with the file that does.
        moves: What the inventory could say so that the database gets memory that another slice does not need.
        advice: The hottest statements that read more than they need.
        remarks: What else stands out, in words.
        slice_mib: The database's slice, MiB.
        worst_mib: What the server could take at its worst as it runs, and with all changes, MiB.
    """

    seen: Observed
    changes: tuple[Proposal, ...]
    outranked: Mapping[str, str]
    moves: tuple[Move, ...]
    advice: tuple[Advice, ...]
    remarks: tuple[str, ...]
    slice_mib: int
    worst_mib: tuple[float, float]


def tune(rendered: Rendered, answer: Mapping[str, Any]) -> Tuning:
    """Say what there is to change.

    Args:
        rendered: The host's budget and files.
        answer: The agent's answer to ``question(rendered, ...)``.
    """
    seen = observed(answer)
    changes = proposals(rendered, seen)
    running: dict[str, int | str] = dict(seen.variables)
    changed = {**running, **{one.setting: one.wanted for one in changes}}
    return Tuning(
        seen=seen,
        changes=changes,
        outranked=outranked(rendered, seen),
        moves=moves(rendered, seen),
        advice=advice(seen),
        remarks=tuple(_remarks(seen)),
        slice_mib=rendered.budget.grants[TAKER].memory_mib,
        worst_mib=(worst_of(rendered, running), worst_of(rendered, changed)),
    )


def _remarks(seen: Observed) -> Iterator[str]:
    if seen.variables.get("innodb_doublewrite") == "OFF":
        yield "innodb_doublewrite is OFF: a power cut in the middle of a write can leave a page that nothing mends"
    on_disk, made = seen.per_s("Created_tmp_disk_tables"), seen.per_s("Created_tmp_tables")
    if on_disk >= 1 and on_disk >= made / 4:
        yield f"{on_disk:.1f} of {made:.1f} temporary tables/s go to the disk: look at the statements that make them"
    if seen.per_s("Questions") < 1:
        yield "hardly anything was asked of the server in this window: what its counters say is of little weight"
    if seen.source == "looks" and not seen.statements:
        yield (
            "no statement of the inventory's apps was seen: performance_schema and the slow log are off, and none was "
            "just being run when it was looked at"
        )
