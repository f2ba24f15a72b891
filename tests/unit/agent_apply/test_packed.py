"""The copy of the program that stays on the host."""

import hashlib
import os
import stat

import pytest

from deployer import agent, packing
from deployer.agent import packed, places


@pytest.fixture
def host(tmp_path, monkeypatch):
    monkeypatch.setattr(places, "ROOT", str(tmp_path))
    (tmp_path / "var/lib/deployer").mkdir(parents=True)
    return tmp_path


@pytest.fixture
def folder(host, monkeypatch):
    monkeypatch.setattr(agent, "PROGRAM", "the text", raising=False)
    return host / "var/lib/deployer/agent"


def kept(folder):
    return {path.name.removesuffix(".py"): path.read_text() for path in folder.iterdir()}


def name_of(text):
    return hashlib.sha256(text.encode()).hexdigest()


def test_the_text_is_kept_where_the_loader_looks_and_nobody_else_reads_it(folder):
    packed.keep()
    assert kept(folder) == {name_of("the text"): "the text"}
    assert f"/{folder.relative_to(folder.parents[3])}/" == packing.KEPT
    assert [stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.iterdir())] == [0o700, 0o600]


def test_a_copy_that_was_changed_is_written_again(folder):
    packed.keep()
    next(folder.iterdir()).write_text("something else")
    packed.keep()
    assert kept(folder) == {name_of("the text"): "the text"}


def test_two_versions_stay_and_what_a_dead_process_left_does_not(folder, monkeypatch):
    for age_s, text in enumerate(("newest", "older", "oldest")):
        monkeypatch.setattr(agent, "PROGRAM", text)
        packed.keep()
        os.utime(folder / f"{name_of(text)}.py", (1e9 - age_s, 1e9 - age_s))
    monkeypatch.setattr(agent, "PROGRAM", "newest")
    (folder / "0123.py.tmp").write_text("half of it")
    packed.keep()
    assert set(kept(folder).values()) == {"newest", "oldest"}  # of the others, the one that was kept last


def test_a_host_without_room_keeps_none_and_the_deploy_goes_on(folder, monkeypatch):
    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(packed.durable, "write_new", full)
    packed.keep()
    assert not list(folder.iterdir())


def test_modules_that_were_not_packed_keep_nothing(host):
    packed.keep()
    assert not (host / "var/lib/deployer/agent").exists()
