"""What nginx makes of directives together; ``nginx -t`` says nothing of these."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from deployer.dialects import Statement
from deployer.dialects.nginx import TABLES
from deployer.registry.finding import Finding, Kind
from deployer.registry.known import Registry, order
from deployer.registry.rules.nginxarguments import arguments

#: Forms of directives that nginx refuses to read twice in one block; each of the 262 was tried.
_ONCE = frozenset({"bool", "int", "size", "duration"})


def descriptors(statements: Sequence[Statement], _known: Registry, _version: str) -> Iterator[Finding]:
    """Find more connections than descriptors: the connections beyond are never reached."""
    connections = next((one for one in statements if one.name == "worker_connections"), None)
    limit = next((one for one in statements if one.name == "worker_rlimit_nofile"), None)
    if connections is None or limit is None:
        return
    if _count(limit) < _count(connections):
        yield Finding(
            Kind.MISREAD,
            "worker_connections",
            connections.line,
            f"{connections.value} are never reached: a worker has {limit.value} descriptors (worker_rlimit_nofile)",
            "measured on nginx 1.26.3: nginx -t says that the test is successful",
            f"worker_rlimit_nofile {2 * _count(connections)}, or fewer connections",
        )


def upstream_keepalive(statements: Sequence[Statement], _known: Registry, version: str) -> Iterator[Finding]:
    """Find kept connections to upstreams that HTTP/1.0 closes after each request."""
    kept = next((one for one in statements if one.name == "keepalive" and one.context), None)
    elsewhere = any(one.name in {"include", "proxy_http_version"} for one in statements)
    if kept is None or elsewhere or order(version) >= (1, 29, 7) or not kept.context[-1].startswith("upstream"):
        return
    yield Finding(
        Kind.IGNORED,
        "keepalive",
        kept.line,
        "nginx speaks HTTP/1.0 to the upstream and closes each connection",
        "CHANGES of nginx 1.29.7, where the default changed",
        'proxy_http_version 1.1; proxy_set_header Connection "";',
    )


def listen_http2(statements: Sequence[Statement], _known: Registry, version: str) -> Iterator[Finding]:
    """Find the parameter that a directive has replaced."""
    for one in statements:
        if one.name == "listen" and "http2" in one.words[1:] and order(version) >= (1, 25, 1):
            message = "the http2 parameter is deprecated since 1.25.1"
            yield Finding(Kind.DEPRECATED, "listen", one.line, message, "CHANGES of nginx 1.25.1", "http2 on;")


def repeated(statements: Sequence[Statement], known: Registry, _version: str) -> Iterator[Finding]:
    """Find directives that stand twice in one block; each of these forms nginx takes once."""
    seen: dict[tuple[str, ...], dict[str, Statement]] = {}
    for one in statements:
        seen.pop((*one.context, f"{one.name} {one.value or ''}".strip()), None)  # another block with the same head
        setting = known.settings.get(one.name)
        if setting is None or setting.kind not in _ONCE or any(head.split()[0] in TABLES for head in one.context):
            continue
        first = seen.setdefault(one.context, {}).setdefault(one.name, one)
        if first is not one:
            message = f"it stands in this block already, in line {first.line}"
            yield Finding(
                Kind.FATAL, one.name, one.line, message, "asked of nginx 1.30.6: nginx -t", "keep one of them"
            )


def _count(one: Statement) -> int:
    return int(one.value) if one.value and one.value.isdecimal() and one.value.isascii() else 0


RULES = (arguments, descriptors, upstream_keepalive, listen_http2, repeated)
