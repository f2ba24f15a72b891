"""All fates together, and the plan that makes them true."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from deployer.adoption import data, files, postgresql, sites, units
from deployer.adoption.fates import Adoption, Choices, FileFate
from deployer.adoption.found import Found
from deployer.plan import Plan
from deployer.plan.build import FORMER
from deployer.render import Rendered


def question(rendered: Rendered | None = None) -> dict[str, Any]:
    """Make the agent's request; with an entry, its database server's settings are looked for in files."""
    names = sorted(data.mysql_settings(rendered)) if rendered else []
    of_postgresql = sorted(postgresql.settings(rendered)) if rendered else []
    return {"op": "survey", "settings": names, "postgresql_settings": of_postgresql}


def adoption_of(
    rendered: Rendered, plan: Plan, owned: Mapping[str, Any], answer: Mapping[str, Any], choices: Choices
) -> Adoption:
    """Decide what becomes of everything that is there.

    Args:
        rendered: What the host shall have.
        plan: What a deploy would do.
        owned: Paths that earlier deploys put there.
        answer: The agent's answer to ``question``.
        choices: What the user decided.
    """
    found = Found.of(answer, owned)
    site_fates = sites.site_fates(rendered, found, choices)
    unit_fates = units.unit_fates(rendered, found, choices)
    file_fates = (
        *_replaced(plan, owned),
        *sites.file_fates(rendered, found),
        *data.file_fates(rendered, found),
    )
    copied = files.copies(rendered, found, unit_fates, choices)
    lacking = (
        *sites.lacking(rendered, found, site_fates),
        *units.lacking(rendered, found, choices, unit_fates),
        *data.lacking(rendered, found, choices),
        *files.lacking(rendered, found, unit_fates, choices),
    )
    advice = (
        *units.advice(rendered, unit_fates),
        *files.advice(rendered, found),
        *data.advice(rendered, found),
        *(f"there are more {part} than are shown" for part in found.told.get("cut") or ()),
    )
    return Adoption(
        host=plan.host,
        found=dict(found.told),
        sites=site_fates,
        units=unit_fates,
        files=file_fates,
        data=(*data.data_fates(rendered, found), *files.data_fates(found, copied)),
        lacking=lacking,
        advice=advice,
        plan=units.with_stops(plan, rendered, unit_fates, files.activations(found, copied), files.changes(copied)),
    )


def _replaced(plan: Plan, owned: Mapping[str, Any]) -> Iterator[FileFate]:
    """Give the files of theirs that the deploy takes the place of."""
    diffs = {change.name: change.diff for change in plan.changes if change.kind == "file"}
    for entry in plan.document["files"]:
        path = entry["path"]
        if entry["before"]["kind"] != "absent" and path not in owned:
            fate = FileFate(path, "replaced", f"{FORMER}{path}", diff=diffs.get(path, ""))
            yield fate if entry["after"]["kind"] != "absent" else FileFate(path, "removed", f"{FORMER}{path}")
