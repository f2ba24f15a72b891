"""Releases on a directory that stands for the host: what is missing is made, and the oldest go."""

import io
import os
import tarfile
import time

import pytest

from deployer.agent import command, places, releases
from deployer.agent.blobs import Blobs
from deployer.agent.progress import Progress


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
    packages = {"venv": f"/srv/a/venvs/{venv}", "requirements_blob": "a.requirements", "wheels_blob": None}
    return {"app": "a", "path": f"/srv/a/releases/{name}", "blob": "a.tree", "python_packages": packages}


def blobs():
    tree = io.BytesIO()
    tarfile.open(fileobj=tree, mode="w").close()
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in (("a.tree", tree.getvalue()), ("a.requirements", b"x")):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    out.seek(0)
    return Blobs(out)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def make(host, *entries):
    work = Work(host)
    return releases.make(entries, blobs(), work, Progress(lambda event: None, time.sleep)), work


def test_a_release_that_lost_its_environment_gets_it_again_and_stays_as_it_is(host):
    assert make(host, entry("r1"))[0] == ["/srv/a/releases/r1"]
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


def test_fewer_than_three_all_stay(host):
    for number in range(2):
        (host / f"srv/a/releases/{number}").mkdir(parents=True)
    (host / "srv/a/venvs/env").mkdir(parents=True)
    releases.prune([entry("0")])
    assert names(host / "srv/a/releases") == ["0", "1"]
