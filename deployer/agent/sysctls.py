"""Settings of the kernel: told, written with a note of what they were, and written back.

A kernel may refuse (in a container it is not the host's own): that fails no deploy, but is noted for the user, and the
value is not asked for again at the next one.
"""

from __future__ import annotations

import os
import re
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Iterable, Mapping

from . import places, textfiles
from .refusal import Refusal

if TYPE_CHECKING:
    from .journal import Journal

_NAME = re.compile(r"(fs|kernel|net|vm)(\.[A-Za-z0-9_-]{1,64}){1,6}")
_VALUE = re.compile(r"[A-Za-z0-9_-]{1,64}( [A-Za-z0-9_-]{1,64}){0,7}")


def observe(names: Iterable[str], refused: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Say of each setting its running `value` (None: this kernel has none), and whether it could be changed.

    Args:
        names: As sysctl writes them.
        refused: Values that the kernel did not take when a deploy asked for them.
    """
    return {
        name: {"value": _read(name), "writable": os.access(_path(name), os.W_OK), "refused": refused.get(name)}
        for name in names
    }


def note(wanted: Iterable[Mapping[str, Any]], journal: Journal) -> None:
    """Note the values that are to change.

    To be done before the swap: from there on a boot may set what a new file in sysctl.d says, whatever we came to.

    Args:
        wanted: The plan's list: `name`, `value`, `least` (more is fine).
        journal: Gets what is there now.

    Raises:
        Refusal: A name or a value that is not plain.
    """
    for entry in wanted:
        name, value = entry["name"], _checked_value(entry["value"])
        before = _read(name)
        if before is not None and not is_enough(before, value, least=bool(entry.get("least"))):
            _note(name, before, journal)
    journal.save()


def settle(wanted: Iterable[Mapping[str, Any]], journal: Journal) -> None:
    """Write the values that the kernel does not have yet; one that was not noted is noted before.

    Args:
        wanted: The plan's list: `name`, `value`, `least` (more is fine).
        journal: Gets what was there before, and what the kernel refused.

    Raises:
        Refusal: A name or a value that is not plain.
    """
    refused: dict[str, str] = {}
    for entry in wanted:
        name, value = entry["name"], _checked_value(entry["value"])
        before = _read(name)
        if before is not None and is_enough(before, value, least=bool(entry.get("least"))):
            continue
        problem = "this kernel has no such setting"
        if before is not None:
            _note(name, before, journal)
            journal.save()
            problem = _change(name, before, value)
        if problem:
            stays = "" if before is None else f"; it stays {before}"
            journal.doc["notes"].append(f"{name} = {value} is refused: {problem}{stays}")
            refused[name] = value
    journal.doc["refused_sysctls"] = refused
    journal.save()


def put_back(journal: Journal, attempt: Callable[[Callable[[], object], str, str], object]) -> None:
    """Write the values that were there before; may be done again."""
    for noted in reversed(journal.doc.get("sysctls", [])):
        name, before = noted["name"], noted["before"]
        if _read(name) != before:
            attempt(partial(_restore, name, before), f"{name} cannot be put back", f"sysctl -w {name}='{before}'")


def is_enough(running: str, wanted: str, *, least: bool) -> bool:
    """Say whether a running value needs no change: it is the same, or a number that is more where that is fine."""
    if least and running.isdigit() and wanted.isdigit():
        return int(running) >= int(wanted)
    return running == wanted


def _note(name: str, before: str, journal: Journal) -> None:
    if all(noted["name"] != name for noted in journal.doc["sysctls"]):
        journal.doc["sysctls"].append({"name": name, "before": before})


def _restore(name: str, before: str) -> None:
    problem = _write(name, before)
    if problem:
        raise Refusal("fault", problem)


def _read(name: str) -> str | None:
    return " ".join(textfiles.read(_path(name)).split()) or None


def _change(name: str, before: str, value: str) -> str:
    """Write a value and read it back; return what went wrong, or nothing. What the kernel bends is put back."""
    problem = _write(name, value)
    found = _read(name)
    if problem or found == value:
        return problem
    _write(name, before)
    return f"the kernel makes {found} of it"


def _write(name: str, value: str) -> str:
    try:
        with open(_path(name), "w", encoding="ascii") as file:
            file.write(value + "\n")
    except OSError as error:
        return error.strerror or type(error).__name__
    return ""


def _path(name: object) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise Refusal("fault", f"not a setting of the kernel: {name!r}")
    return places.at("/proc/sys/" + name.replace(".", "/"))


def _checked_value(value: object) -> str:
    if not isinstance(value, str) or not _VALUE.fullmatch(value):
        raise Refusal("fault", f"not a value for the kernel: {value!r}")
    return value
