"""mysqlset: settings of a running database server, set and read back; all of them, or none.

SET GLOBAL only, never SET PERSIST: what a reboot makes of it stands in the files of the deploy. Each setting is read
back when all are set, since some servers take a value with a warning and keep the former one, others round it.
"""

from __future__ import annotations

import contextlib
import json
import re
import time
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from . import durable, mysqlclient, origin, places
from .journal import timestamp
from .lock import Lock
from .refusal import Refusal

Document = Dict[str, Any]

TIMEOUT_S = 60.0
#: A buffer pool is resized beside the work, s.
RESIZED_WITHIN_S = 90.0
MOST = 100
#: A server may round a size down to whole blocks or pages: by so much of it at the most, or by one block.
ROUNDED_SHARE, BLOCK_BYTES = 0.01, 4096
#: Settings that hold a quantity that a server may round. Of all others each digit counts.
_POOL = "innodb_buffer_pool_size"
_NAME = re.compile(r"[a-z][a-z0-9_]{1,79}")
_NUMBER = re.compile(r"-?[0-9]{1,20}(?:\.[0-9]{1,6})?")
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_SWITCHES = {"ON": "1", "OFF": "0", "TRUE": "1", "FALSE": "0", "YES": "1", "NO": "0"}


def run(request: Document) -> Document:
    """Set settings in the order of the request.

    Args:
        request: With ``settings``, each with ``name`` and ``value`` (bytes, a count or a word), ``who`` and ``wait_s``.

    Returns:
        ``set``: per setting what it was before, what was asked for and what the server has now, and what it said.

    Raises:
        Refusal: Another deploy is at work; a name or value is none; or the server refused one, and then all have their
            former values again, or it says which do not.
    """
    wanted = [(str(one["name"]), str(one["value"])) for one in request.get("settings", [])[:MOST]]
    for name, value in wanted:
        if not _NAME.fullmatch(name) or not (_NUMBER.fullmatch(value) or _WORD.fullmatch(value)):
            raise Refusal("fault", f"not a setting: {name!r} = {value!r}")
    who = str(request.get("who", ""))
    lock = Lock.acquire(who, "tune-mysql", float(request.get("wait_s", 1.0)))
    began = timestamp()
    try:
        return {"set": _set_all(wanted, lambda done: _audit(who, began, "set", done))}
    except Refusal as error:
        if error.state != "untouched":
            with contextlib.suppress(OSError):  # what the server is like now matters more
                _audit(who, began, error.state, [name for name, _ in wanted], error.message)
        raise
    finally:
        lock.release()


def _audit(who: str, began: str, outcome: str, settings: Sequence[str], problem: str = "") -> None:
    """Add a line to the audit log: what was set has no transaction, as no file of the host changed with it."""
    line = {
        "transaction": None,
        "who": who,
        **origin.of_this_login(),
        "began": began,
        "ended": timestamp(),
        "outcome": outcome,
        "problem": problem,
        "settings": list(settings),
    }
    durable.append_line(places.at(places.AUDIT), json.dumps(line, sort_keys=True))


def _set_all(wanted: Sequence[Tuple[str, str]], audit: Callable[[Sequence[str]], None]) -> List[Document]:
    before = mysqlclient.variables(TIMEOUT_S)
    missing = [name for name, _ in wanted if name not in before]
    if missing:
        raise Refusal("preparation", f"this server has no {', '.join(missing)}")
    tried: List[Tuple[str, str]] = []
    said: Dict[str, str] = {}
    try:
        for name, value in wanted:
            tried.append((name, before[name]))
            said[name] = _set(name, value)
        now = _settled(wanted)
        wrong = [f"{name} is {now.get(name)}, not {value}" for name, value in wanted if not takes(value, now.get(name))]
        if wrong:
            warned = "; ".join(f"{name}: {text}" for name, text in said.items() if text)
            raise Refusal("activation", f"the server took it, and did not do it: {'; '.join(wrong)}", detail=warned)
        try:
            audit([f"{name} {former} -> {now[name]}" for name, former in tried])
        except OSError as error:
            raise Refusal("disk_full", f"the audit log cannot be written: {error}") from error
    except Refusal as error:
        raise _returned(error, tried) from error
    return [
        {"name": name, "former": before[name], "wanted": value, "found": now[name], "said": said[name]}
        for name, value in wanted
    ]


def _set(name: str, value: str) -> str:
    """Set one; give what the server warns of."""
    quoted = value.replace("\\", "\\\\").replace("'", "''")  # a former value may be any text
    literal = value if _NUMBER.fullmatch(value) else f"'{quoted}'"
    rows = mysqlclient.rows(f"SET GLOBAL {name} = {literal};\nSHOW WARNINGS;\n", timeout_s=TIMEOUT_S)
    return "; ".join(mysqlclient.unescaped(row[2])[:200] for row in rows if len(row) == 3)


def _settled(
    wanted: Iterable[Tuple[str, str]],
    read: Optional[Callable[[], Mapping[str, str]]] = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Mapping[str, str]:
    """Read all back; a pool that is still being resized is waited for."""
    read = read or (lambda: mysqlclient.variables(TIMEOUT_S))
    pool = dict(wanted).get(_POOL)
    waited_s = 0.0
    while True:
        now = read()
        if pool is None or takes(pool, now.get(_POOL)) or waited_s >= RESIZED_WITHIN_S or not _is_resizing(waited_s):
            return now
        sleep(0.5)
        waited_s += 0.5


def _is_resizing(waited_s: float) -> bool:
    """Say whether the server is at it; in the first seconds it may not have begun."""
    rows = mysqlclient.rows("SHOW GLOBAL STATUS LIKE 'Innodb_buffer_pool_resize_status';\n", timeout_s=TIMEOUT_S)
    said = mysqlclient.pairs(rows).get("Innodb_buffer_pool_resize_status", "")
    is_over = not said or said.startswith("Completed") or "cancel" in said.lower() or "fail" in said.lower()
    return not is_over or waited_s < 3.0


def takes(wanted: str, found: Optional[str]) -> bool:
    """Say whether a server that says ``found`` did what was asked; it may round a size down to whole blocks."""
    if found is None:
        return False
    one, other = _SWITCHES.get(wanted.upper(), wanted), _SWITCHES.get(found.upper(), found)
    if one.lower() == other.lower():
        return True
    try:
        asked, has = float(one), float(other)
    except ValueError:
        return False
    return asked == has or (asked >= 1 << 16 and 0 <= asked - has <= max(BLOCK_BYTES, ROUNDED_SHARE * asked))


def _returned(error: Refusal, tried: Sequence[Tuple[str, str]]) -> Refusal:
    """Give back what was there before, the last first, and say what came of it."""
    kept = []
    for name, value in reversed(tried):
        try:
            _set(name, value)
        except Refusal as again:
            kept.append(f"{name} (was {value}): {again.detail or again.message}")
    try:
        now = _settled(tried)
        kept += [f"{name} is {now.get(name)}, was {value}" for name, value in tried if not takes(value, now.get(name))]
    except Refusal as again:
        kept.append(again.message)
    if not kept:
        message = f"{error.message}; every setting has its former value again"
        return Refusal("activation", message, state="restored", step="set", detail=error.detail)
    return Refusal(
        "activation",
        f"{error.message}; and these do not have their former value again: {'; '.join(kept)}",
        state="unknown",
        step="set",
        detail=error.detail,
        next="a restart of the server makes it what its files say: systemctl restart mariadb (or mysql)",
    )
