"""The report of a load test as a page: one file that loads nothing, with its plots and its data inside.

    page([document])          one run
    page([before, after])     two runs, one over the other

A document is what ``verify --report`` writes (deployer/verify/1). It may come from anywhere: it is data, never markup.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

import jinja2
from markupsafe import Markup

from deployer.report.page import figures, tables
from deployer.report.verdicts import Run

#: Files of this folder that go into every page.
_PARTS = {"library": "uPlot.iife.min.js", "script": "page.js", "library_style": "uPlot.min.css", "style": "page.css"}


def page(documents: Sequence[Mapping[str, Any]]) -> str:
    """Make the page.

    Args:
        documents: One run, or two: the second is shown over the first.

    Raises:
        UsageError: A document is no report of a load test, or one of a newer version.
        ValueError: There is none, or there are more than two.
    """
    if not 1 <= len(documents) <= 2:
        raise ValueError(f"a page shows one run or two, not {len(documents)}")
    runs = [Run.of(document) for document in documents]
    parts = {name: Markup(_text(file)) for name, file in _PARTS.items()}  # noqa: S704 - files of this package, no data
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(_text("page.html.j2")).render(
        **parts,
        policy=_policy(parts["library"], parts["script"]),
        runs=runs,
        lines=tables.lines(runs),
        capacity=tables.capacity(runs),
        knees=tables.knees(runs),
        advice=tables.advice(runs),
        phases=tables.phases(runs),
        steps=tables.steps(runs),
        units=tables.units(runs),
        facts=tables.facts(runs),
        figures=figures.of(runs),
        figures_json=_json(figures.of(runs)),
        documents_json=_json(list(documents)),
    )


def _text(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _json(data: Any) -> Markup:
    """Write data so that it can stand inside a script element, whatever its texts hold."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    escaped = text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    return Markup(escaped)  # noqa: S704 - no markup can begin without the sign that is written otherwise above


def _policy(*scripts: str) -> str:
    """Say to the browser that nothing may be loaded, and that only our own scripts run."""
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in scripts
    )
    return f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src {hashes}"
