"""What the registry says of single lines is what the binaries say: no wrong one passes, no right one is refused."""

from __future__ import annotations

import re

import pytest
from judged_lines import NGINX, SERVICE, UNIT, nginx_with, unit_with

from deployer.dialects import read
from deployer.registry import WRONG, Kind, judge
from deployer.sandbox import Inside

pytestmark = pytest.mark.real


def judged(text: str, dialect: str, version: str) -> bool:
    """Whether nothing was found that the binary says too; nginx -t passes over what it ignores."""
    wrong = {Kind.FATAL} if dialect == "nginx" else WRONG
    return not any(one.kind in wrong for one in judge(read(dialect, text), dialect, "", version))


@pytest.mark.parametrize(("release", "version"), [("bookworm", "252"), ("trixie", "257")])
def test_units(place: Inside, version: str):
    lines = [("Service", line) for line in SERVICE] + [("Unit", line) for line in UNIT]
    files = {f"/etc/systemd/system/p{n}.service": unit_with(*line).encode() for n, line in enumerate(lines)}
    place.lay(files)
    said = place.run(["systemd-analyze", "verify", *files]).text.splitlines()
    wrong = {
        int(one[1]) for line in said if "not found" not in line and (one := re.search(r"p(\d+)\.service:\d", line))
    }
    assert len(wrong) > 40
    assert {lines[n][1]: n not in wrong for n in range(len(lines))} == {
        line: judged(unit_with(section, line), "unit", version) for section, line in lines
    }


@pytest.mark.parametrize(("release", "version"), [("bookworm", "1.22"), ("trixie", "1.26"), ("sid", "1.30")])
def test_nginx(place: Inside, version: str):
    lines = [(block, line) for block, each in NGINX.items() for line in each]
    place.lay({f"/tmp/{n}.conf": nginx_with(*line).encode() for n, line in enumerate(lines)})
    loop = f"for n in $(seq 0 {len(lines) - 1}); do nginx -t -q -c /tmp/$n.conf 2>/tmp/$n.said || echo $n; done"
    refused = {int(word) for word in place.run(["sh", "-c", loop]).stdout.split()}
    assert len(refused) > 25
    assert {lines[n][1]: n not in refused for n in range(len(lines))} == {
        line: judged(nginx_with(block, line), "nginx", version) for block, line in lines
    }
