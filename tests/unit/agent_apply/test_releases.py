"""Releases on a directory that stands for the host: what is missing is made, and the oldest go."""

import io
import os
import tarfile
import time
from pathlib import Path

import pytest

from deployer.agent import command, places, releases
from deployer.agent.blobs import Blobs
from deployer.agent.progress import Progress
from deployer.agent.refusal import Refusal


@pytest.fixture(autouse=True)
def host(tmp_path, monkeypatch):
    monkeypatch.setattr(places, "ROOT", str(tmp_path))
    return tmp_path


class Work:
    """Stands for systemd-run: notes what is run, and makes the environment's folder."""

    def __init__(self, host):
        self.host = host
        self.ran = []

    def run(self, argv, **_):
        self.ran.append(" ".join(argv[:3]))
        if argv[:3] == ["python3", "-m", "venv"]:
            (self.host / argv[-1][1:]).mkdir(parents=True)
        return command.Result(0, "", timed_out=False)


def entry(name, venv="env"):
    environment = {"kind": "python", "path": f"/srv/a/venvs/{venv}", "requirements_blob": "a.requirements"}
    return {"app": "a", "path": f"/srv/a/releases/{name}", "blob": "a.tree", "environment": environment}


def tree_entry(name, blob="a.modules", **more):
    environment = {"kind": "tree", "path": "/srv/a/modules/lock", "blob": blob, "link": "node_modules", **more}
    return {"app": "a", "path": f"/srv/a/releases/{name}", "blob": "a.tree", "environment": environment}


def tar(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return out.getvalue()


def blobs(source=()):
    modules = tar({"node_modules/left-pad/index.js": b"code"})
    named = {"a.tree": tar(dict(source)), "a.requirements": b"x", "a.modules": modules, "a.other": tar({"x/y": b""})}
    return Blobs(io.BytesIO(tar(named)))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def make(host, *entries, source=()):
    work = Work(host)
    return releases.make(entries, blobs(source), work, Progress(lambda event: None, time.sleep)), work


def test_a_release_that_lost_its_environment_gets_it_again_and_stays_as_it_is(host):
    assert make(host, entry("r1"))[0] == ["/srv/a/venvs/env", "/srv/a/releases/r1"]
    made, work = make(host, entry("r1"))
    assert (made, work.ran) == ([], [])
    (host / "srv/a/venvs/env/.whole").unlink()
    made, work = make(host, entry("r1"))
    assert made == ["/srv/a/venvs/env"]
    assert work.ran[0] == "python3 -m venv"
    assert "compileall" not in " ".join(work.ran)
    assert (host / "srv/a/venvs/env/.whole").exists()
    assert names(host / "srv/a/releases") == ["r1"]


def test_the_newest_three_stay_and_the_live_one_whatever_its_age(host):
    for number in range(5):
        for folder in ("releases", "venvs"):
            path = host / f"srv/a/{folder}/{number}"
            path.mkdir(parents=True)
            os.utime(path, (1000 + number, 1000 + number))
    (host / "srv/a/releases/5.new").symlink_to("/elsewhere")
    releases.prune([entry("0", "4")])
    assert names(host / "srv/a/releases") == ["0", "3", "4", "5.new"]
    assert names(host / "srv/a/venvs") == ["2", "3", "4"]


def test_what_was_live_last_stays_however_old_it_is(host):
    for number in range(4):
        path = host / f"srv/a/releases/{number}"
        path.mkdir(parents=True)
        (host / f"srv/a/venvs/{number}").mkdir(parents=True)
        for folder in (path, host / f"srv/a/venvs/{number}"):
            os.utime(folder, (1000 + number, 1000 + number))
    releases.prune([entry("0", "0")])  # returned to
    (host / "srv/a/releases/5").mkdir()
    (host / "srv/a/venvs/5").mkdir()
    releases.prune([entry("5", "5")])
    assert names(host / "srv/a/releases") == names(host / "srv/a/venvs") == ["0", "3", "5"]


def test_fewer_than_three_all_stay(host):
    for number in range(2):
        (host / f"srv/a/releases/{number}").mkdir(parents=True)
    (host / "srv/a/venvs/env").mkdir(parents=True)
    releases.prune([entry("0")])
    assert names(host / "srv/a/releases") == ["0", "1"]


def test_a_tree_of_packages_is_shared_by_releases_and_found_inside_each(host):
    assert make(host, tree_entry("r1"))[0] == ["/srv/a/modules/lock", "/srv/a/releases/r1"]
    made, work = make(host, tree_entry("r2", blob=None))  # it is whole: nothing has to come
    assert (made, work.ran) == (["/srv/a/releases/r2"], [])
    for name in ("r1", "r2"):
        assert (host / f"srv/a/releases/{name}/node_modules").readlink() == Path("/srv/a/modules/lock/node_modules")
    assert (host / "srv/a/modules/lock/node_modules/left-pad/index.js").read_bytes() == b"code"
    assert names(host / "srv/a/modules") == ["lock"]


@pytest.mark.parametrize(
    ("wanted", "source", "words"),
    [
        (tree_entry("r1", blob=None), {}, "did not come with the plan"),
        (tree_entry("r1", blob="a.requirements"), {}, "cannot be unpacked"),
        (tree_entry("r1", blob="a.other"), {}, "hold no node_modules"),
        (tree_entry("r1"), {"node_modules/mine": b""}, "a node_modules of its own"),
        (tree_entry("r1", link="../../etc"), {}, "no packages are looked for"),
        (tree_entry("r1", kind="docker"), {}, "no such kind"),
        (tree_entry("r1", path="/srv/a/releases/r1/modules"), {}, "inside a release"),
    ],
)
def test_an_environment_that_cannot_be_leaves_no_release(host, wanted, source, words):
    with pytest.raises(Refusal, match=words):
        make(host, wanted, source=source)
    assert not list(host.glob("srv/a/releases/*"))
    assert not list(host.glob("srv/a/modules/*.aside"))


def test_an_app_without_packages_is_its_source_alone(host):
    made, work = make(host, {**entry("r1"), "environment": None}, source={"app": b"binary"})
    assert (made, work.ran) == (["/srv/a/releases/r1"], [])
    assert names(host / "srv/a/releases/r1") == ["app"]


def test_what_never_went_live_goes_before_any_way_back(host):
    folder = host / "srv/a/releases"
    for age, name in enumerate(("refused", "old", "older")):
        (folder / name).mkdir(parents=True)
        moment = time.time() - 100 * (age + 1)
        os.utime(folder / name, (moment, moment))
    (folder / "new").mkdir()
    releases.demote(["/srv/a/releases/refused", "/srv/a/releases/gone"])
    releases.prune([{"app": "a", "path": "/srv/a/releases/new"}])
    assert sorted(one.name for one in folder.iterdir()) == ["new", "old", "older"]
