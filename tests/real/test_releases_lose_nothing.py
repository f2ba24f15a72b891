"""Releases without a lost request, on a small VPS: visitors at 30 requests/s past the cache, every fifth a POST."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from release_visitors import PATIENCE_S, ReleaseVisitors
from site_on_vps import NAME, Site

from deployer.agent.releases import KEPT

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]
PROBE = Path(__file__).parent / "probes/releases/which.py"
#: MiB; one worker of the second does not fit beside the old release.
SMALL, LARGE = 64, 200
P99_S = 5.0
CANDIDATE = "app-blog@candidate.service"


class Releases(Site):
    """The blog's host, with an app on it that says which release answers."""

    def use(self, *, worker_mib: int, module: str = "which:app", worker_class: str = "asgi") -> None:
        gunicorn = {"module": module, "worker_class": worker_class, "worker_memory_mib": worker_mib}
        # plain http, so that it is not TLS that a core shared with the tests is busy with
        self.write(apps__blog__gunicorn=gunicorn, apps__blog__tls=None)
        shutil.copy(PROBE, self.source / "which.py")

    def release(self, name: str) -> None:
        (self.source / "which.txt").write_text(f"{name}\n")

    def go_live(self, name: str) -> None:
        self.release(name)
        self.deploy()

    def roll_back(self) -> None:
        """Go back to what was there before what was last committed."""
        done = self.run("rollback")
        assert done.returncode == 0, done.stdout + done.stderr

    def visitors(self) -> ReleaseVisitors:
        return ReleaseVisitors(self.host.address, NAME)

    def get_release(self) -> str:
        return self.sh("cat /srv/blog/current/code/which.txt")

    def refused(self, name: str) -> subprocess.CompletedProcess[str]:
        self.release(name)
        return self.deploy(code=5)

    def sh(self, command: str) -> str:
        return self.host.sh(command).strip()

    def left(self) -> str:
        """What candidates left behind."""
        return self.sh(
            "systemctl list-units --no-legend --plain --all 'app-*@candidate.*'; "
            "find /run/deployer-held /run/deployer-candidates ! -type d 2>/dev/null; true"
        )

    def kept(self) -> int:
        return len(self.sh("ls /srv/blog/releases").split())


@pytest.fixture(scope="module")
def site(vps: Any, deployed: str, tmp_path_factory: pytest.TempPathFactory) -> Releases:
    of_the_test, vps.cleanup = vps.cleanup, vps.of_the_module
    host = vps(snapshot=deployed)
    vps.cleanup = of_the_test
    found = Releases(host, tmp_path_factory.mktemp("releases"))
    found.use(worker_mib=SMALL)
    found.go_live("zero")
    return found


def test_visitors_lose_nothing_to_releases_nor_to_one_that_is_broken(site: Releases) -> None:
    with site.visitors() as visitors:
        site.go_live("one")
        refused = site.refused("broken")
        site.go_live("two")
        site.roll_back()
    assert not visitors.failed, visitors.failed
    assert visitors.releases() == ["zero", "one", "two"]
    assert visitors.answers[-1].body == "one"
    assert visitors.percentile_s(0.99) < P99_S
    assert "took no visitors" in refused.stderr + refused.stdout
    assert "status 500" in refused.stderr + refused.stdout
    assert site.left() == ""
    assert site.kept() <= KEPT


@pytest.mark.slow
def test_without_memory_for_two_a_release_that_hangs_or_dies_takes_no_visitor_either(site: Releases) -> None:
    site.use(worker_mib=LARGE)
    site.go_live("three")
    with site.visitors() as visitors:
        dead = site.refused("dead")
        site.go_live("four")
    assert not visitors.failed, visitors.failed
    assert visitors.releases() == ["three", "four"]
    # the first was refused at once, though gunicorn's master would start its worker again and again
    assert visitors.percentile_s(1) < PATIENCE_S
    assert "this release does not start" in dead.stderr + dead.stdout
    assert site.left() == ""
    site.use(worker_mib=SMALL)
    site.deploy()


@pytest.mark.slow
def test_one_that_never_answers_takes_no_visitor(site: Releases) -> None:
    before = site.get_release()
    with site.visitors() as visitors:
        refused = site.refused("silent")
    assert not visitors.failed, visitors.failed
    assert visitors.releases() == [before]
    assert "timed out" in refused.stderr + refused.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("worker_class", "module", "worker_mib"),
    [("asgi", "which:app", SMALL), ("gthread", "which:wsgi", SMALL), ("gthread", "which:wsgi", LARGE)],
)
def test_ten_releases_and_ten_rollbacks_lose_nothing(
    site: Releases, worker_class: str, module: str, worker_mib: int
) -> None:
    site.use(worker_mib=worker_mib, worker_class=worker_class, module=module)
    site.go_live("first")
    with site.visitors() as visitors:
        for number in range(10):
            site.go_live(f"release-{number}")
            assert visitors.are_answered_by(f"release-{number}")
            site.roll_back()
            assert visitors.are_answered_by("first")
    print(f"{worker_class} of {worker_mib} MiB: {visitors.told()}")
    assert not visitors.failed, (visitors.failed, visitors.told())
    assert visitors.releases() == ["first", *(f"release-{number}" for number in range(10))]
    assert visitors.percentile_s(0.99) < P99_S
    assert site.kept() <= KEPT
    assert len(site.sh("ls /srv/blog/venvs").split()) <= KEPT
    assert site.left() == ""
