"""A host's record of its deploys, as text and as a document."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from deployer.record import Done, History

HISTORY_SCHEMA = "deployer/history/1"
RECOVER_SCHEMA = "deployer/recover/1"

_COLOURS = {"committed": "green", "set": "green", "restored": "yellow", "untouched": "dim"}


def print_history(console: Console, host: str, history: History) -> None:
    """Print what was deployed, the newest first; what is live and what can be gone back to stands out."""
    if history.running:
        console.print(Text.assemble(("! ", "yellow"), f"{history.running['who']} deploys now"), soft_wrap=True)
    elif history.left_open:
        line = f"{', '.join(history.left_open)} was left open; `deployer recover --host {host}` settles it"
        console.print(Text.assemble(("! ", "yellow"), line), soft_wrap=True)
    if not history.done:
        console.print(Text.assemble((host, "bold"), ": nothing was deployed here yet"))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("", "transaction", "ended (UTC)", "outcome"):
        table.add_column(column, no_wrap=True)  # a name that is cut is of no use to anybody
    for column in ("by", "what"):
        table.add_column(column, overflow="fold")
    for done in history.done:
        mark = "live" if done.is_live else ("  *" if done.is_on_record else "")
        table.add_row(
            Text(mark, style="bold green" if done.is_live else ""),
            done.identifier,
            done.ended[:16].replace("T", " "),
            Text(done.outcome, style=_COLOURS.get(done.outcome, "")),
            f"{done.who} ({done.came_from})" if done.came_from else done.who,
            _what(done),
        )
    console.print(table)
    console.print(Text("* `deployer rollback --host " + host + " --to TRANSACTION` goes back there", style="dim"))


def history_document(host: str, history: History) -> dict[str, Any]:
    """Give a history as data; the form is described in docs/json.md."""
    return {
        "schema": HISTORY_SCHEMA,
        "host": host,
        "transactions": [_document(done) for done in history.done],
        "open": list(history.left_open),
        "running": dict(history.running) if history.running else None,
    }


def print_settled(console: Console, host: str, settled: tuple[str, ...]) -> None:
    """Print what was settled."""
    for line in settled or ("nothing was left open",):
        console.print(Text.assemble((host, "bold"), f": {line}"), soft_wrap=True)


def recover_document(host: str, settled: tuple[str, ...]) -> dict[str, Any]:
    """Give what was settled as data."""
    return {"schema": RECOVER_SCHEMA, "host": host, "settled": list(settled)}


def _what(done: Done) -> str:
    if done.outcome == "set":
        return ", ".join(done.settings)
    if done.outcome != "committed":
        return "; ".join([done.problem.partition("\n")[0][:100], *done.databases])
    parts = [f"back to {done.back_to}"] if done.back_to else []
    parts += ["a trial"] if done.trial_of else []
    parts += [release.removeprefix("/srv/").replace("/releases/", " ") for release in done.releases]
    parts += [f"{len(done.files)} file" + ("s" if len(done.files) != 1 else "")] if done.files else []
    parts += [", ".join(done.units)] if done.units and len(done.units) <= 3 else []
    parts += [f"{len(done.units)} units"] if len(done.units) > 3 else []
    return "; ".join(parts)


def _document(done: Done) -> dict[str, Any]:
    document = asdict(done)
    document["transaction"], document["from"] = document.pop("identifier"), document.pop("came_from")
    document["live"], document["on_record"] = document.pop("is_live"), document.pop("is_on_record")
    return {name: list(value) if isinstance(value, tuple) else value for name, value in document.items()}
