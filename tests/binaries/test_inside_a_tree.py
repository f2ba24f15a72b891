"""What runs inside a tree sees a host of its own, changes nothing, and leaves nothing behind, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from deployer.sandbox import Inside, SandboxError, inside
from deployer.sandbox.programs import wait_until

pytestmark = pytest.mark.real
HOLDING = """
import sys, time
from pathlib import Path
from deployer.sandbox import inside
with inside(Path(sys.argv[1])) as place:
    place.start(["sleep", "300"], log=open("/dev/null", "ab"))
    print(place.holder, flush=True)
    time.sleep(300)
"""


def state_of_the_machine() -> tuple[str, list[str]]:
    links = sorted(path.name for path in Path("/sys/class/net").iterdir() if path.name.startswith(("eth0", "peer0")))
    mounts = [line for line in Path("/proc/self/mounts").read_text().splitlines() if "deployer-inside" in line]
    return "\n".join(mounts), links


def test_it_has_its_own_network_processes_and_files(place: Inside):
    assert place.run(["cat", "/proc/1/comm"]).stdout == "cat\n"
    assert "dep0" not in place.check(["cat", "/proc/net/dev"])
    assert place.run(["sh", "-c", "echo 1 > /proc/sys/vm/swappiness"]).code != 0
    assert place.run(["touch", "/etc/made-inside"]).code == 0


def test_the_tree_stays_as_it_was_and_nothing_is_left(tree: Callable[[str], Path]):
    before = state_of_the_machine()
    with inside(tree("bookworm")) as place:
        place.lay({"/etc/laid": b"x", "/var/lib/mysql/ibdata1": b"broken"})
        with Path("/dev/null").open("ab") as nowhere:
            place.start(["sleep", "300"], log=nowhere)
        assert wait_until(lambda: bool(place.processes()), timeout_s=5)
        assert place.read("/etc/laid") == "x"
        processes = place.processes()
    assert not (tree("bookworm") / "etc/laid").exists()
    assert (tree("bookworm") / "var/lib/mysql/ibdata1").stat().st_size > 1000
    assert not [pid for pid in (place.holder, *processes) if Path(f"/proc/{pid}").exists()]
    assert state_of_the_machine() == before


def test_a_process_that_is_killed_leaves_nothing_either(tree: Callable[[str], Path]):
    with subprocess.Popen(
        [sys.executable, "-c", HOLDING, str(tree("bookworm"))], stdout=subprocess.PIPE, text=True
    ) as parent:
        holder = Inside(int(parent.stdout.readline()))
        assert wait_until(lambda: bool(holder.processes()), timeout_s=5)
        everything = (holder.holder, *holder.processes())
        os.kill(parent.pid, signal.SIGKILL)
    assert wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in everything), timeout_s=10)


def test_files_are_laid_where_links_of_the_tree_lead_inside(place: Inside):
    place.check(["ln", "-s", "/opt", "/srv/linked"])
    place.lay({"/srv/linked/file": b"x"}, mode=0o755)
    assert place.read("/opt/file") == "x"
    assert not Path("/opt/file").exists()
    assert place.run(["test", "-x", "/opt/file"]).code == 0


def test_a_program_that_does_not_end_or_fails_is_an_error(place: Inside):
    with pytest.raises(SandboxError, match="did not end within"):
        place.run(["sleep", "60"], timeout_s=0.2)
    with pytest.raises(SandboxError, match="ended with 3: no"):
        place.check(["sh", "-c", "echo no; exit 3"])
