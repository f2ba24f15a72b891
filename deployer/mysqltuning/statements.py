"""Missing indexes and full scans of the hottest statements: advice with the EXPLAIN that shows it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from deployer.mysqltuning.observed import Observed, Statement, Step

#: A table of fewer rows is read whole in no time.
SMALL_TABLE_ROWS = 500
#: Words of a statement that compare a column with a value; of several tables nobody can say whose column it is.
_COMPARED = re.compile(
    r"(?:`?\w+`?\s*\.\s*)?`?(\w+)`?\s*(=|<=>|<=|>=|<|>|\bIN\b|\bLIKE\b|\bBETWEEN\b)\s*(?:\?|\(|')", re.IGNORECASE
)
_ORDERED = re.compile(r"\b(?:ORDER|GROUP)\s+BY\s+(?:`?\w+`?\s*\.\s*)?`?(\w+)`?", re.IGNORECASE)
_WHERE = re.compile(r"\bWHERE\b(.*?)(?:\bGROUP\b|\bORDER\b|\bLIMIT\b|$)", re.IGNORECASE | re.DOTALL)
_KEYWORDS = frozenset({"and", "or", "not", "select", "where", "in", "like", "between", "by", "limit"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What is slow about a statement.

    Attributes:
        statement: The statement, with what it cost and what EXPLAIN says.
        findings: What of that is slow, in words.
        candidates: Columns of an index that might help, where the statement tells: those that are compared for
            equality first, then one that is compared otherwise or sorted by. A person decides.
    """

    statement: Statement
    findings: tuple[str, ...]
    candidates: tuple[str, ...]


def advice(seen: Observed) -> tuple[Advice, ...]:
    """Name the hottest statements that EXPLAIN shows to read more than they need."""
    found = []
    for one in seen.statements:
        findings = tuple(_findings(one))
        if findings:
            found.append(Advice(statement=one, findings=findings, candidates=_candidates(one)))
    return tuple(found)


def _findings(statement: Statement) -> Iterator[str]:
    for step in statement.steps:
        if step.rows < SMALL_TABLE_ROWS:
            continue
        if step.access == "ALL":
            lacks = "no index fits" if not step.possible_keys else f"{step.possible_keys} would fit, and is not used"
            yield f"{step.table}: reads all of some {step.rows} rows; {lacks}"
        elif step.access == "index":
            yield f"{step.table}: reads all of index {step.key}, some {step.rows} entries"
        elif "filesort" in step.extra.lower():
            yield f"{step.table}: sorts some {step.rows} rows"
        if "join buffer" in step.extra.lower():
            yield f"{step.table}: is joined without an index"


def _candidates(statement: Statement) -> tuple[str, ...]:
    scanned = [step for step in statement.steps if step.rows >= SMALL_TABLE_ROWS and _reads_all(step)]
    where = _WHERE.search(statement.digest)
    if len(statement.steps) != 1 or not scanned or where is None:
        return ()
    compared = [(name, how) for name, how in _COMPARED.findall(where[1]) if name.lower() not in _KEYWORDS]
    equal = [name for name, how in compared if how in {"=", "<=>"} or how.upper() == "IN"]
    other = [name for name, how in compared if name not in equal]
    ordered = _ORDERED.findall(statement.digest)
    return tuple(dict.fromkeys([*equal, *(other[:1] or ordered[:1])]))


def _reads_all(step: Step) -> bool:
    return step.access in {"ALL", "index"} or "filesort" in step.extra.lower()
