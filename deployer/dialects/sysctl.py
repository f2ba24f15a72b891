"""sysctl.d: ``net.core.somaxconn = 4096``, with ``/`` or ``.`` between the words."""

from __future__ import annotations

from deployer.dialects.statement import Statement, numbered


def read(text: str) -> tuple[Statement, ...]:
    """Read a config. A line without ``=`` comes as a statement without a value: systemd-sysctl passes over it."""
    found = []
    for number, raw in numbered(text):
        line = raw.strip()
        if not line or line[0] in "#;":
            continue
        name, equals, value = line.partition("=")
        found.append(Statement(_dotted(name.strip().removeprefix("-")), value.strip() if equals else None, number))
    return tuple(found)


def _dotted(name: str) -> str:
    """Spell a name with dots, whichever separator comes first in it (sysctl.d(5))."""
    dot, slash = name.find("."), name.find("/")
    if slash >= 0 and (dot < 0 or slash < dot):
        return name.translate(str.maketrans("./", "/."))
    return name
