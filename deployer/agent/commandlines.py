"""What running programs were told beside their configs: options of their command lines, and variables.

Only what is asked for by name is told, only where its value is a plain quantity or word, and never anything whose name
speaks of a secret: a password on a command line stays there.
"""

from __future__ import annotations

import re
import shlex
from typing import Any, Dict, Iterable, List, Mapping

from . import textfiles, unitstate

Document = Dict[str, Any]

#: A unit's command line and environment are read up to this; bytes.
LIMIT_BYTES = 128 << 10
#: Units that are looked at, and names that are looked for in each.
MOST_UNITS, MOST_NAMES = 64, 512
#: Variables whose words the runtime takes for options, in the order in which they count less than the next.
_OPTION_VARIABLES = ("JAVA_TOOL_OPTIONS", "NODE_OPTIONS", "GUNICORN_CMD_ARGS", "JDK_JAVA_OPTIONS")
#: A variable that the machine holds to whatever its command line says.
_LAST_VARIABLE = "_JAVA_OPTIONS"
_UNIT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9:_.@\\-]{0,120}\.service")
_NAME = re.compile(r"(--?)?[A-Za-z][A-Za-z0-9:_.-]{0,79}")
_SECRET = re.compile(r"pass|secret|token|auth|cred|(api|access|private|license)[-_]?key", re.IGNORECASE)
_PLAIN_VALUE = re.compile(r"[A-Za-z0-9._%+-]{0,40}")
#: Options that have their value in the same word, without a sign between them.
_GLUED = re.compile(r"(-X(?:mx|ms|mn|ss))(\d\w*)")
_ASSIGNMENT = re.compile(r"[A-Za-z][A-Za-z0-9_.]*=.*", re.DOTALL)


def read(asked: Mapping[str, Any], _names: List[str]) -> Document:
    """Tell, by unit, the options and variables among those asked for that its main process was started with."""
    wanted = {unit: names for unit, names in asked.get("units", {}).items() if _UNIT.fullmatch(unit)}
    units = list(wanted)[:MOST_UNITS]
    values = {}
    for unit, state in unitstate.show(units).items() if units else ():
        pid = state["main_pid"]
        if pid:
            names = [name for name in wanted[unit][:MOST_NAMES] if _NAME.fullmatch(name) and not _SECRET.search(name)]
            values[unit] = told(_words(pid, "cmdline"), _words(pid, "environ"), names)
    return {"version": "", "values": values}


def _words(pid: int, what: str) -> List[str]:
    return textfiles.read("/proc/%d/%s" % (pid, what), LIMIT_BYTES).rstrip("\0").split("\0")


def told(argv: List[str], environ: Iterable[str], names: Iterable[str]) -> Dict[str, str]:
    """Pick options and variables out of a process's words; what is said last counts.

    Args:
        argv: Its command line.
        environ: Its variables, ``NAME=VALUE``.
        names: What may be told: options as ``--name`` or ``-X``, variables without a sign before them.
    """
    variables = dict(word.partition("=")[::2] for word in environ)
    words: List[str] = []
    for variable in _OPTION_VARIABLES:
        words += _split(variables.get(variable, ""))
    options = dict(_options([*words, *argv[1:], *_split(variables.get(_LAST_VARIABLE, ""))]))
    found = {name: (options if name.startswith("-") else variables).get(_same(name)) for name in names}
    return {name: value for name, value in found.items() if value is not None and _PLAIN_VALUE.fullmatch(value)}


def _options(words: List[str]) -> Iterable[Any]:
    for at, word in enumerate(words):
        following = words[at + 1] if at + 1 < len(words) else ""
        glued = _GLUED.fullmatch(word)
        name, sign, value = word.partition("=")
        if glued:
            yield glued[1], glued[2]
        elif word == "-c" and _ASSIGNMENT.fullmatch(following):  # as PostgreSQL has it
            name, _, value = following.partition("=")
            yield _same("--" + name), value
        elif sign:
            yield _same(name), value
        elif word.startswith("-"):
            yield _same(word), "" if following.startswith("-") else following


def _same(name: str) -> str:
    """Give one spelling for an option that may have either sign between its words."""
    return name.replace("_", "-") if name.startswith("--") else name


def _split(text: str) -> List[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()
