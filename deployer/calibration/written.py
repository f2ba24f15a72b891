"""The file of a host's measurements: short, the same bytes for the same numbers, and read as a difference in review."""

from __future__ import annotations

import json
from collections.abc import Iterator

from deployer.measured import Measured

HEAD = """\
# What this host showed under a light load (deployer calibrate --host {host}).
# Not to be edited: measure again, or delete the file; then the constants of deployer count again.
"""


def text(measured: Measured) -> str:
    """Give the file's text."""
    return "".join(f"{line}\n" for line in _lines(measured))


def _lines(measured: Measured) -> Iterator[str]:
    yield HEAD.format(host=measured.host).rstrip("\n")
    yield f"version: {measured.version}"
    yield f"host: {measured.host}"
    yield f"date: {_quoted(measured.date)}"
    yield from _mapping("runs", {name: [f": {_quoted(by)}"] for name, by in measured.runs.items()})
    yield from _mapping(
        "values",
        {
            place: [":", f"    value: {_number(one.value)}", f"    because: {_quoted(one.because)}"]
            for place, one in measured.values.items()
        },
    )
    if measured.pages:
        yield "pages:"
        for page in measured.pages:
            yield f"  - path: {_quoted(page.path)}"
            yield f"    kind: {page.kind}"
            yield f"    kib: {_number(page.kib)}"
            yield f"    cpu_ms: {_number(page.cpu_ms)}"
            yield f"    alone_ms: {_number(page.alone_ms)}"
    yield from _mapping("seen", {_quoted(what): [f": {_number(value)}"] for what, value in measured.seen.items()})


def _mapping(name: str, entries: dict[str, list[str]]) -> Iterator[str]:
    if entries:
        yield f"{name}:"
    for key, (first, *rest) in entries.items():
        yield f"  {key}{first}"
        yield from rest


def _quoted(text_: str) -> str:
    return json.dumps(text_)


def _number(value: float) -> str:
    """Write a number as the strict reader takes it: no exponent."""
    return str(int(value)) if value == int(value) else f"{value:.6f}".rstrip("0")
