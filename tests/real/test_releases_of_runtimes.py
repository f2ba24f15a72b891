"""Releases of Node.js, Go and Java apps under visitors: sockets, ports, one process that has a port for itself."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from example_on_vps import Example
from release_visitors import ReleaseVisitors
from site_on_vps import ROOT

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(900)]
PROBES = Path(__file__).parent / "probes"
P99_S = 5.0
#: A Node.js app whose body says which release answers, with what was sent.
SERVER = """\
const { createServer } = require('node:http');

const release = 'RELEASE';
const server = createServer((request, answer) => {
  let sent = '';
  request.on('data', (part) => { sent += part; });
  request.on('end', () => setTimeout(() => {
    answer.statusCode = request.url === '/healthz' && release.startsWith('broken') ? 500 : 200;
    answer.end(request.url === '/healthz' ? release : `${release} ${sent}`);
  }, 30));
});
server.keepAliveTimeout = 75_000;
server.listen(process.env.LISTEN_FDS ? { fd: 3 } : { host: '127.0.0.1', port: Number(process.env.PORT) });
process.on('SIGTERM', () => {
  server.close(() => process.exit(0));
  setInterval(() => server.closeIdleConnections(), 20);
});
"""


class Runtime(Example):
    """An app on a host of its own."""

    def release(self, name: str) -> None:
        (self.source / "server.js").write_text(SERVER.replace("RELEASE", name))

    def visitors(self) -> ReleaseVisitors:
        return ReleaseVisitors(self.host.address, self.name)


@pytest.mark.parametrize("node", [{}, {"processes": 1, "port": 3001}], ids=["sockets", "a port"])
def test_node(vps: Any, tmp_path: Path, node: dict[str, Any]) -> None:
    shutil.copytree(PROBES / "node", tmp_path / "probe")
    said = {"services": {}, "app": {"node": {"script": "server.js", **node}}}
    site = Runtime(vps("node", memory_mib=1536), tmp_path, app="probe", said=said)
    site.write()
    site.release("zero")
    site.deploy()
    assert site.numbers("probe")["switch"] == "instead"
    with site.visitors() as visitors:
        site.release("one")
        site.deploy()
        site.release("broken")
        site.deploy(code=5)
        assert site.run("rollback").returncode == 0
    assert not visitors.failed, (visitors.failed, visitors.told())
    assert visitors.releases() == ["zero", "one"]
    assert visitors.answers[-1].body == "zero"
    assert visitors.percentile_s(0.99) < P99_S


@pytest.mark.parametrize(
    ("app", "more", "broken"),
    [
        ("shortener", {}, ("bin/shortener", b"#!/bin/false\n")),
        ("quotes", {"java": {"jar": "quotes.jar", "classes": 3000}}, ("quotes.jar", b"this is no archive\n")),
    ],
    ids=["Go", "Java, one process on a port"],
)
def test_examples(vps: Any, tmp_path: Path, app: str, more: dict[str, Any], broken: tuple[str, bytes]) -> None:
    subprocess.run([ROOT / "scripts/build-examples"], check=True, timeout=280)
    site = Runtime(vps(app), tmp_path, app=app)
    site.changes = {f"apps__{app}__{key}": value for key, value in more.items()}
    site.write()
    site.deploy()
    assert site.numbers(app)["switch"] == ("beside" if app == "shortener" else "instead")
    visitors = ReleaseVisitors(site.host.address, site.name, path="/healthz", post=False)
    file = site.source / broken[0]
    good = file.read_bytes()
    with visitors:
        (site.source / "NOTE").write_text("one")
        site.deploy()
        file.write_bytes(broken[1])
        site.deploy(code=5)
        file.write_bytes(good)
        assert site.run("rollback").returncode == 0
    assert not visitors.failed, (visitors.failed, visitors.told())
    assert visitors.percentile_s(0.99) < P99_S
