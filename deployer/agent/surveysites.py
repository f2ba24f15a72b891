"""The sites that nginx serves, from what ``nginx -T`` prints: of each server block a few directives, and no text."""

from __future__ import annotations

import re
from typing import Any, Dict, Iterator, List, Optional, Tuple

from . import unitstate

Document = Dict[str, Any]

TIMEOUT_S = 10.0
#: A config is longer only by mistake, characters.
MOST_TEXT = 4 << 20
#: Longest value that is told, and how many of one directive.
LONGEST = 200
MOST_VALUES = 40
#: What is told of a site, and as what.
TOLD = {
    "server_name": "names",
    "listen": "listens",
    "root": "roots",
    "alias": "roots",
    "ssl_certificate": "certificates",
    "ssl_certificate_key": "keys",
    "proxy_pass": "passes",
    "uwsgi_pass": "passes",
    "fastcgi_pass": "passes",
    "grpc_pass": "passes",
}
_FILE = re.compile(r"^# configuration file (\S+):$", re.MULTILINE)
_QUOTED = r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\''
_WORD = re.compile(r"#[^\n]*|" + _QUOTED + r"|[{};]|(?:\\.|\$\{[^}]*\}|[^\s{};\"'\\])+", re.DOTALL)
_PLACE = re.compile(r"(?:[a-z]+://)?(?:[^/@\s]*@)?([^/\s?]+)")


def look() -> Optional[Document]:
    """Tell ``files`` and ``sites`` of the live config, and whether it could be read; None: there is no nginx."""
    if unitstate.output(["nginx", "-v"], TIMEOUT_S) is None:
        return None
    dump = (unitstate.output(["nginx", "-T", "-q"], TIMEOUT_S) or "")[:MOST_TEXT]
    parts = _FILE.split(dump)[1:]
    texts = [(parts[at], parts[at + 1]) for at in range(0, len(parts), 2)]
    upstreams = {name: places for _, text in texts for name, places in _upstreams(text)}
    return {
        "is_read": bool(texts),
        "files": [path[:LONGEST] for path, _ in texts],
        "sites": [_told(path, site, upstreams) for path, text in texts for site in servers(text)],
    }


def servers(text: str) -> Iterator[Dict[str, List[str]]]:
    """Give of each server block what is told of it, by directive."""
    for block in _blocks(text, "server"):
        found: Dict[str, List[str]] = {}
        for name, *values in block:
            if name in TOLD:
                found.setdefault(name, []).extend(values)
        yield found


def _upstreams(text: str) -> Iterator[Tuple[str, List[str]]]:
    for block in _blocks(text, "upstream"):
        yield block[0][0], [words[1] for words in block if words[0] == "server" and len(words) > 1]


def _blocks(text: str, kind: str) -> Iterator[List[List[str]]]:
    """Give the statements of each block of a kind, those of its inner blocks too; its own words come first."""
    words: List[str] = []
    inside: Optional[List[List[str]]] = None
    depth, began = 0, 0
    for word in _WORD.findall(text):
        if word.startswith("#"):
            continue
        if word == "{":
            if inside is None and words[:1] == [kind]:
                inside, began = [words[1:] or [""]], depth
            depth, words = depth + 1, []
        elif word == "}":
            depth, words = depth - 1, []
            if inside is not None and depth <= began:
                yield inside
                inside = None
        elif word == ";":
            if inside is not None and words:
                inside.append(words)
            words = []
        else:
            words.append(word[1:-1] if word[0] in "\"'" else word)


def _told(path: str, site: Dict[str, List[str]], upstreams: Dict[str, List[str]]) -> Document:
    told: Document = {"file": path[:LONGEST], **{name: [] for name in TOLD.values()}}
    for directive, words in site.items():
        values = words[:MOST_VALUES]
        if directive.endswith("_pass"):
            values = [place for value in values for place in _places(value, upstreams)]
        elif directive == "listen":  # its other words are options
            values = [value for value in values if re.match(r"[\d\[*]|unix:|localhost", value)]
        told[TOLD[directive]] += [value[:LONGEST] for value in values if value not in told[TOLD[directive]]]
    return told


def _places(value: str, upstreams: Dict[str, List[str]]) -> List[str]:
    """Say where a pass leads: address and port, or a socket's path; a name and a password before them are left out."""
    bare = re.sub(r"^[a-z]+://", "", value)
    if bare.startswith("unix:"):
        return [bare.split(":")[1]]
    found = _PLACE.match(bare)
    if found is None:
        return []
    if found[1] in upstreams:
        return [place for one in upstreams[found[1]] for place in _places(one, {})]
    return [found[1]]
