"""What there is to change about a database server, as a table for people and as a document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from deployer.mysqltuning import Advice, Move, Proposal, Tuning
from deployer.tunemysql import Done, Set

SCHEMA = "deployer/tune-mysql/1"
#: Settings in bytes whose names do not say so.
_BYTES = frozenset(
    {
        "innodb_redo_log_capacity",
        "max_allowed_packet",
        "max_session_mem_used",
        "net_buffer_length",
        "temptable_max_mmap",
        "temptable_max_ram",
        "thread_stack",
    }
)


def print_tuning(console: Console, host: str, tuning: Tuning) -> None:
    """Print what there is to change, and why; what is advice stands apart.

    Args:
        console: Where to.
        host: The host's name.
        tuning: What was found.
    """
    seen = tuning.seen
    asked = seen.per_s("Questions")
    console.print(
        Text.assemble((host, "bold"), f": {seen.version}, watched for {seen.seconds:.0f} s, {asked:.0f} statements/s")
    )
    if tuning.changes:
        console.print(_changes(tuning.changes))
    else:
        console.print(Text("  every setting is as the budget says", style="green"))
    worst, changed = tuning.worst_mib
    over = worst > tuning.slice_mib
    console.print(
        Text.assemble(
            "  at its worst it takes ",
            (f"{worst:.0f} MiB", "bold red" if over else "green"),
            f" of its slice of {tuning.slice_mib}",
            f"; with all of it changed, {changed:.0f}" if tuning.changes else "",
        )
    )
    _print_outranked(console, tuning)
    for move in tuning.moves:
        _print_move(console, move)
    for one in tuning.advice:
        _print_advice(console, one, tuning.seen.source)
    for remark in tuning.remarks:
        console.print(Text.assemble(("  ! ", "yellow"), remark), soft_wrap=True)


def _print_outranked(console: Console, tuning: Tuning) -> None:
    for setting, path in tuning.outranked.items():
        line = f"  {path} says {setting} too and is read later, so the next start undoes it: take that line out"
        console.print(Text(line, style="bold red"), soft_wrap=True)


def _changes(changes: tuple[Proposal, ...]) -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False, padding=(0, 1))
    table.add_column("setting", no_wrap=True)
    for title in ("runs with", "budget"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("MiB at worst", justify="right", no_wrap=True)
    table.add_column("when", no_wrap=True)
    table.add_column("because", overflow="fold")
    for one in changes:
        when = Text("now", style="green") if one.is_dynamic else Text("restart", style="yellow")
        delta = f"{one.delta_mib:+.0f}" if abs(one.delta_mib) >= 1 else ""
        table.add_row(
            Text(one.setting, style="bold"),
            shown(one.setting, one.now),
            shown(one.setting, one.wanted),
            delta,
            when,
            "; ".join(filter(None, (one.evidence, one.because, one.restart_because))),
        )
    return table


def _print_move(console: Console, move: Move) -> None:
    before, after = move.pool_mib
    slices = ", ".join(f"{taker} {had} -> {has}" for taker, (had, has) in move.slices_mib.items())
    console.print(
        Text.assemble(("  memory that could move: ", "bold"), f"buffer pool {before} -> {after} MiB; {move.because}"),
        soft_wrap=True,
    )
    console.print(f"    slices, MiB: {slices or 'as they are'}; {move.pays}", soft_wrap=True, markup=False)
    console.print("    write into the inventory, below the host, then deploy:", markup=False)
    for path, value in move.pins.items():
        console.print(Text(f"      {path}: {value}", style="bold"), soft_wrap=True)


def _print_advice(console: Console, advice: Advice, source: str) -> None:
    one = advice.statement
    cost = f"{one.seconds:.1f} s in {one.count} runs" if one.seconds is not None else f"seen in {one.count} looks"
    if one.rows_examined is not None and one.rows_sent is not None:
        cost += f", {one.rows_examined} rows read for {one.rows_sent}"
    console.print(Text.assemble(("  advice: ", "bold"), f"{one.database}: {one.digest}"), soft_wrap=True)
    cost += "" if source == "looks" else f" ({source})"
    console.print(Text(f"    {cost}; EXPLAIN {one.explained}:", style="dim"), soft_wrap=True)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title in ("    table", "type", "possible keys", "key", "rows", "extra"):
        table.add_column(title, justify="right" if title == "rows" else "left", overflow="fold")
    for step in one.steps:
        row = (step.access, step.possible_keys or "-", step.key or "-", str(step.rows), step.extra)
        table.add_row(f"    {step.table}", *row)
    console.print(table)
    for finding in advice.findings:
        console.print(Text.assemble(("    ✗ ", "red"), finding), soft_wrap=True)
    if advice.candidates:
        line = f"    an index that might help, for you to decide: ({', '.join(advice.candidates)})"
        console.print(Text(line), soft_wrap=True)


def print_done(console: Console, host: str, done: Done) -> None:
    """Print what was applied, what the server made of it, and what is left."""
    for one in done.set:
        rounded = " (the server rounded it)" if one.is_rounded else ""
        line = f"{one.setting}: {shown(one.setting, one.former)} -> {shown(one.setting, one.found)}{rounded}"
        console.print(Text.assemble(("  ✓ ", "green"), line), soft_wrap=True)
        if one.said:
            console.print(Text(f"    the server says: {one.said}", style="dim"), soft_wrap=True)
    for line in _said(done):
        console.print(Text(f"  {line}"), soft_wrap=True)
    _print_outranked(console, done.after)
    if done.left:
        console.print(_changes(done.left))
        waits = any(not one.is_dynamic and not one.outranked_by for one in done.left)
        how = "--restart-allowed, or the next deploy, does that" if done.applied else "--restart-allowed does that"
        advice = f"; {how}" if waits else ""
        mark = Text("does not run with all of its budget yet", style="bold yellow")
        console.print(Text.assemble((host, "bold"), " ", mark, advice), soft_wrap=True)
    else:
        mark = Text("runs with its budget's settings", style="green" if done.is_whole else "yellow")
        console.print(Text.assemble((host, "bold"), " ", mark, f", {done.after.worst_mib[0]:.0f} MiB at its worst"))


def _said(done: Done) -> Iterator[str]:
    if done.set:
        yield "connections that were open keep their own former buffers until they are opened anew"
    if done.applied is not None:
        how = "and the server was restarted" if done.restarted else "without a restart"
        yield f"its files are written, {how}: transaction {done.applied.transaction}"
    elif done.set:
        yield "its files had these values already"


def shown(setting: str, value: str) -> str:
    """Give a size in the unit that people would say it in; all else as it is."""
    if not value.isdigit() or not (setting.endswith(("_size", "_size_max")) or setting in _BYTES):
        return value
    count = int(value)
    for power, unit in ((20, "MiB"), (10, "KiB")):
        if count >= 1 << power and not count % (1 << power):
            return f"{count >> power} {unit}"
    return value


def tuning_document(host: str, tuning: Tuning, done: Done | None) -> dict[str, Any]:
    """Give it as data; the form is described in docs/json.md."""
    return {
        "schema": SCHEMA,
        "host": host,
        "version": tuning.seen.version,
        "watched_s": tuning.seen.seconds,
        "statements_per_s": round(tuning.seen.per_s("Questions"), 1),
        "slice_mib": tuning.slice_mib,
        "worst_mib": round(tuning.worst_mib[0], 1),
        "worst_after_mib": round(tuning.worst_mib[1], 1),
        "changes": [_change(one) for one in tuning.changes],
        "outranked": dict(tuning.outranked),
        "moves": [
            {
                "pins": dict(one.pins),
                "because": one.because,
                "pays": one.pays,
                "pool_mib": list(one.pool_mib),
                "slices_mib": {taker: list(sizes) for taker, sizes in one.slices_mib.items()},
            }
            for one in tuning.moves
        ],
        "statements_from": tuning.seen.source,
        "advice": [_advice(one) for one in tuning.advice],
        "remarks": list(tuning.remarks),
        "applied": None if done is None else _done(done),
    }


def _change(one: Proposal) -> dict[str, Any]:
    return {
        "setting": one.setting,
        "from": one.now,
        "to": one.wanted,
        "because": one.because,
        "evidence": one.evidence or None,
        "worst_delta_mib": round(one.delta_mib, 1),
        "dynamic": one.is_dynamic,
        "restart_because": one.restart_because or None,
        "outranked_by": one.outranked_by or None,
    }


def _advice(one: Advice) -> dict[str, Any]:
    statement = one.statement
    return {
        "database": statement.database,
        "digest": statement.digest,
        "count": statement.count,
        "seconds": statement.seconds,
        "rows_examined": statement.rows_examined,
        "rows_sent": statement.rows_sent,
        "explained": statement.explained,
        "explain": [
            {
                "table": step.table,
                "type": step.access,
                "possible_keys": step.possible_keys or None,
                "key": step.key or None,
                "rows": step.rows,
                "extra": step.extra,
            }
            for step in statement.steps
        ],
        "findings": list(one.findings),
        "candidates": list(one.candidates),
    }


def _done(done: Done) -> dict[str, Any]:
    return {
        "transaction": done.applied.transaction if done.applied else None,
        "restarted": done.restarted,
        "set": [_set(one) for one in done.set],
        "left": [_change(one) for one in done.left],
        "at_next_start": dict(done.after.outranked),
    }


def _set(one: Set) -> Mapping[str, Any]:
    return {
        "setting": one.setting,
        "from": one.former,
        "to": one.wanted,
        "found": one.found,
        "rounded": one.is_rounded,
        "said": one.said or None,
    }
