"""MySQLTuner's report, and the rule that makes settings of its advice. Pure.

Its advice is meant for people: "(> 16M)", "(>= 1.2G) if possible". The rule is the same for every line, and says
nothing about whether the advice is good: a value that is named is taken; "more than X" is twice X; "less than X" is
half of X. What names no value is left out, and told.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

#: What is run: as the package has it, with no question asked and no colour.
COMMAND: Final = "mysqltuner --nocolor --nogood --noinfo --skippassword 2>&1"
RULE: Final = "a value that it names is taken, “> X” is twice X, “< X” is half of X"
_HEADING: Final = "Variables to adjust:"
_FACTORS: Final[Mapping[str, int]] = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_ADVICE: Final = re.compile(
    r"^(?P<name>[a-z][a-z0-9_-]+)\s*(?:\([\d.]+\)\s*)?\(?\s*(?P<sign>>=|<=|=|>|<|~|start at)\s*(?P<value>[\w.-]+)"
)
_SIZE: Final = re.compile(r"(?P<number>\d+(?:\.\d+)?)(?P<unit>[KMGT]?)B?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What a report says.

    Attributes:
        version: Of MySQLTuner.
        variables: What is to be set, by the server's names, in bytes or plain numbers or words.
        left_out: Lines that name no value.
        warnings: What it says to beware of beside them.
    """

    version: str
    variables: Mapping[str, int | str]
    left_out: tuple[str, ...]
    warnings: tuple[str, ...]


def read_advice(report: str) -> Advice:
    """Read "Variables to adjust", which is the end of a report.

    Raises:
        ValueError: This is no report.
    """
    version = re.search(r"MySQLTuner (\d[\d.]*)", report)
    if version is None:
        raise ValueError("this is no report of MySQLTuner")
    variables: dict[str, int | str] = {}
    left_out, warnings = [], []
    for line in report.partition(_HEADING)[2].splitlines():
        said = line.strip()
        found = _ADVICE.match(said)
        if found and (value := _wanted(found["sign"], found["value"])) is not None:
            variables[found["name"].replace("-", "_")] = value
        elif said.startswith(("***", "DON'T")):
            warnings.append(said.strip("* "))
        elif said:
            left_out.append(said)
    return Advice(version=version[1], variables=variables, left_out=tuple(left_out), warnings=tuple(warnings))


def _wanted(sign: str, written: str) -> int | str | None:
    size = _SIZE.fullmatch(written.rstrip("."))
    if size is None:
        return written if re.fullmatch(r"[A-Za-z]+", written) and sign == "=" else None
    value = float(size["number"]) * _FACTORS[size["unit"]]
    if sign in (">", "<"):
        value *= 2 if sign == ">" else 0.5
    return round(value)
