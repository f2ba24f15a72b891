"""Numbers, sizes and times among several arguments of nginx's directives; each form was asked of nginx -t."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from deployer.dialects import Statement
from deployer.dialects.nginx import TABLES
from deployer.dialects.values import nginx_duration_s, nginx_size
from deployer.registry.finding import Finding, Kind
from deployer.registry.known import Registry

Read = Callable[[str], object]


def _number(text: str) -> None:
    if re.fullmatch(r"\d{1,18}", text) is None:
        raise ValueError("it takes a whole number")


def _positive(text: str) -> None:
    _number(text)
    if int(text) == 0:
        raise ValueError("it takes a number from 1")


def _size(text: str) -> None:
    if text[-1:] in "gG":
        raise ValueError("a size is a number with k or m")
    nginx_size(text)


def _level(text: str) -> None:
    if re.fullmatch(r"[1-9]", text) is None:
        raise ValueError("it takes a number from 1 to 9")


def _processes(text: str) -> None:
    if text != "auto":
        _number(text)


def _rate(text: str) -> None:
    if re.fullmatch(r"[1-9]\d{0,8}(r/[sm])?", text) is None:
        raise ValueError("a rate is like 10r/s or 30r/m")


def _zone(text: str) -> None:
    name, colon, size = text.partition(":")
    if not name or not colon:
        raise ValueError("a zone is NAME:SIZE")
    _size(size)


#: Directives whose words are each of one form; what has fewer words than stand here may have so.
_WORDS: Final[Mapping[str, tuple[Read, ...]]] = {
    "worker_processes": (_processes,),
    "worker_connections": (_number,),
    "gzip_comp_level": (_level,),
    "keepalive": (_number,),
    "keepalive_timeout": (nginx_duration_s, nginx_duration_s),
    "limit_rate": (_size,),
    "limit_rate_after": (_size,),
    "client_body_buffer_size": (_size,),
    "client_header_buffer_size": (_size,),
    "large_client_header_buffers": (_positive, _size),
    "output_buffers": (_positive, _size),
    "gzip_buffers": (_positive, _size),
    **{f"{kind}_buffers": (_positive, _size) for kind in ("proxy", "fastcgi", "uwsgi", "scgi")},
    **{f"{kind}_buffer_size": (_size,) for kind in ("proxy", "fastcgi", "uwsgi", "scgi", "ssl")},
}
#: Arguments of the form NAME=VALUE.
_NAMED: Final[Mapping[str, Mapping[str, Read]]] = {
    "limit_req": {"burst": _positive, "delay": _positive},
    "limit_req_zone": {"zone": _zone, "rate": _rate},
    "limit_conn_zone": {"zone": _zone},
    "open_file_cache": {"max": _positive, "inactive": nginx_duration_s},
    "proxy_cache_path": {"keys_zone": _zone, "inactive": nginx_duration_s, "max_size": nginx_size},
    "fastcgi_cache_path": {"keys_zone": _zone, "inactive": nginx_duration_s, "max_size": nginx_size},
    "resolver": {"valid": nginx_duration_s},
    "server": {
        "weight": _positive,
        "max_conns": _number,
        "max_fails": _number,
        "fail_timeout": nginx_duration_s,
    },
    "access_log": {"buffer": _size, "flush": nginx_duration_s},
    "listen": {"rcvbuf": _size, "sndbuf": _size},
}


def arguments(statements: Sequence[Statement], known: Registry, version: str) -> Iterator[Finding]:
    """Find arguments that nginx cannot read; it does not start with them."""
    for one in statements:
        if one.name not in known.settings or any(head.split()[0] in TABLES for head in one.context if head):
            continue
        for word, reason in _wrong(one):
            message = f"{word[:60]!r} is not read as it is meant: {reason}"
            yield Finding(Kind.FATAL, one.name, one.line, message, known.source(version))


def _wrong(one: Statement) -> Iterator[tuple[str, str]]:
    pairs: list[tuple[str, Read]] = list(zip(one.words, _WORDS.get(one.name, ()), strict=False))
    named = _NAMED.get(one.name, {})
    for word in one.words:
        name, equals, value = word.partition("=")
        if equals and name in named:
            pairs.append((value, named[name]))
    if one.name == "ssl_session_cache":
        pairs += [(word.removeprefix("shared:"), _zone) for word in one.words if word.startswith("shared:")]
    if one.name in {"proxy_cache_valid", "fastcgi_cache_valid"} and one.words:
        pairs.append((one.words[-1], nginx_duration_s))
    for word, read in pairs:
        if "$" in word or word == "off":
            continue
        try:
            read(word)
        except ValueError as error:
            yield word, str(error)
