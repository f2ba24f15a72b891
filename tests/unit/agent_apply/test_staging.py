"""Staging, swap and return of files on a directory that stands for the host."""

import errno
import grp
import hashlib
import io
import os
import pathlib
import pwd
import tarfile

import pytest

from deployer.agent import closing, durable, journal, places, staging, treestate
from deployer.agent.blobs import Blobs
from deployer.agent.refusal import Refusal

USER = pwd.getpwuid(os.getuid()).pw_name
GROUP = grp.getgrgid(os.getgid()).gr_name
ABSENT = {"kind": "absent"}


@pytest.fixture
def host(tmp_path, monkeypatch):
    monkeypatch.setattr(places, "ROOT", str(tmp_path))
    (tmp_path / "etc").mkdir()
    return tmp_path


def tar(**files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    out.seek(0)
    return out


def file(data, mode="0644", blob=None):
    digest = hashlib.sha256(data).hexdigest()
    return {"kind": "file", "sha256": digest, "mode": mode, "owner": USER, "group": GROUP, "blob": blob}


def now(path):
    return treestate.state_of(path)


def picture(host):
    found = {}
    for path in (host / "etc").rglob("*"):
        at = path.lstat()
        if path.is_symlink():
            what = (str(path.readlink()), at.st_mode)
        elif path.is_dir():
            what = ("", at.st_mode)
        else:
            what = (path.read_bytes(), at.st_mode, at.st_mtime_ns)
        found[path.relative_to(host).as_posix()] = what
    return found


@pytest.fixture
def four(host):
    """A plan that changes a file and a link, adds a file and removes one."""
    (host / "etc/changed").write_bytes(b"old")
    (host / "etc/changed").chmod(0o640)
    (host / "etc/gone").write_bytes(b"gone")
    (host / "etc/link").symlink_to("/somewhere")
    files = [
        {"path": "/etc/changed", "before": now("/etc/changed"), "after": file(b"new", "0600", "a")},
        {"path": "/etc/new/deep/file", "before": ABSENT, "after": file(b"deep", "0644", "b")},
        {"path": "/etc/gone", "before": now("/etc/gone"), "after": ABSENT},
        {"path": "/etc/link", "before": now("/etc/link"), "after": {"kind": "link", "target": "/elsewhere"}},
    ]
    return files, Blobs(tar(a=b"new", b=b"deep"))


def staged(files, blobs, name="t1"):
    record = journal.Journal.create(name, "me")
    staging.stage(files, blobs, record)
    staging.keep(record)
    return record


def test_nothing_live_changes_before_the_swap_and_all_of_it_does_then(host, four):
    before = picture(host)
    record = staged(*four)
    live = {name: what for name, what in picture(host).items() if name in before}
    assert live == before
    staging.swap(record)
    assert (host / "etc/changed").read_bytes() == b"new"
    assert (host / "etc/changed").stat().st_mode & 0o7777 == 0o600
    assert (host / "etc/new/deep/file").read_bytes() == b"deep"
    assert not (host / "etc/gone").exists()
    assert str((host / "etc/link").readlink()) == "/elsewhere"
    staging.discard(record)
    assert sorted(picture(host)) == ["etc/changed", "etc/link", "etc/new", "etc/new/deep", "etc/new/deep/file"]


@pytest.mark.parametrize("swapped", range(5))
def test_a_return_brings_everything_back_wherever_the_swap_was_cut(host, four, swapped, monkeypatch):
    before = picture(host)
    record = staged(*four)
    real, left = os.replace, [swapped]

    def replace(*names):
        if not left[0]:
            raise OSError("cut")
        left[0] -= 1
        real(*names)

    monkeypatch.setattr(os, "replace", replace)
    try:
        staging.swap(record)
    except OSError:
        assert swapped < 3  # three of the four are made by a rename
    monkeypatch.setattr(os, "replace", real)
    for _ in range(2):  # a return may be cut and done again
        for recorded in journal.Journal.load("t1").doc["files"]:
            staging.put_back(recorded, record)
        staging.remove_made_directories(record)
    assert picture(host) == before


def test_a_return_has_a_second_string_when_the_kept_file_is_gone(host, four):
    before = {name: what[:2] for name, what in picture(host).items()}
    record = staged(*four)
    staging.swap(record)
    for recorded in record.doc["files"]:
        if recorded["kept"]:
            durable.unlink_quietly(places.at(recorded["kept"]))
        staging.put_back(recorded, record)
    staging.remove_made_directories(record)
    assert {name: what[:2] for name, what in picture(host).items()} == before


def test_staging_that_fails_half_way_is_cleared_up(host, four):
    before = picture(host)
    files, _ = four
    record = journal.Journal.create("t1", "me")
    with pytest.raises(Refusal, match="did not come with it"):
        staging.stage(files, Blobs(tar(a=b"new")), record)
    staging.discard(record)
    staging.remove_made_directories(record)
    assert picture(host) == before


def test_a_directory_that_became_read_only_keeps_nothing_else_from_being_cleared_up(host, four, monkeypatch):
    before = picture(host)
    record = staged(*four)
    (stuck,) = (host / "etc").glob(".changed.*.new")
    unlink = durable.unlink_quietly

    def read_only(path):
        if path == str(stuck):
            raise OSError(errno.EROFS, "read-only")
        unlink(path)

    with monkeypatch.context() as directory:
        directory.setattr(durable, "unlink_quietly", read_only)
        with pytest.raises(OSError, match="read-only"):
            closing.abandon(record, "because")
    assert picture(host).keys() - before.keys() == {stuck.relative_to(host).as_posix()}
    (left_open,) = journal.open_journals()
    closing.abandon(left_open, "because")
    assert picture(host) == before
    assert journal.open_journals() == []


def test_bytes_that_are_not_the_plans_are_refused(four):
    files, _ = four
    with pytest.raises(Refusal, match="not those of the plan"):
        staged(files, Blobs(tar(a=b"evil", b=b"deep")))


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        (lambda etc: (etc / "changed").write_bytes(b"by hand"), "/etc/changed"),
        (lambda etc: (etc / "changed").chmod(0o644), "/etc/changed"),
        (lambda etc: (etc / "gone").unlink(), "/etc/gone"),
        (lambda etc: ((etc / "link").unlink(), (etc / "link").symlink_to("/third")), "/etc/link"),
        (lambda etc: ((etc / "new/deep").mkdir(parents=True), (etc / "new/deep/file").write_bytes(b"x")), "/etc/new"),
    ],
)
def test_a_host_that_moved_is_refused(host, four, spoil, word):
    staging.compare(four[0], packages_came=False)
    spoil(host / "etc")
    with pytest.raises(Refusal, match="1 of 4 files changed") as caught:
        staging.compare(four[0], packages_came=False)
    assert caught.value.kind == "outdated"
    assert word in caught.value.detail


def test_a_file_that_came_with_a_package_is_no_move_but_a_changed_one_is(host, four):
    (host / "etc/new/deep").mkdir(parents=True)
    (host / "etc/new/deep/file").write_bytes(b"the package's")
    staging.compare(four[0], packages_came=True)
    (host / "etc/changed").write_bytes(b"by hand")
    with pytest.raises(Refusal, match="1 of 4"):
        staging.compare(four[0], packages_came=True)


def test_a_directory_in_a_files_place_is_refused(host):
    (host / "etc/place").mkdir()
    record = journal.Journal.create("t1", "me")
    staging.stage([{"path": "/etc/place", "after": file(b"x", blob="a")}], Blobs(tar(a=b"x")), record)
    with pytest.raises(Refusal, match="neither a file nor a link") as caught:
        staging.keep(record)
    assert caught.value.state == "untouched"


@pytest.mark.parametrize("path", ["etc/x", "/etc/../x", "//etc/x", "/proc/x", "/dev/sda", "/", "/etc/a\nb", 7, "/etc/"])
def test_a_path_that_is_not_plain_is_refused(path):
    with pytest.raises(Refusal, match="not a plain absolute one"):
        places.checked_path(path)


def test_what_was_somebody_elses_is_kept_for_good_and_never_overwritten(host, four):
    (host / "var/lib/deployer/former/etc").mkdir(parents=True)
    durable.write_document(places.at(places.MANIFEST), {"owned": {"/etc/gone": "x"}})
    (host / "var/lib/deployer/former/etc/link").write_text("an earlier one")
    record = staged(*four)
    staging.swap(record)
    for _ in range(2):  # a clean-up that was cut short is done again
        staging.keep_former(record)
    former = host / "var/lib/deployer/former/etc"
    assert sorted(path.name for path in former.iterdir()) == ["changed", "link", "link.2"]
    assert (former / "changed").read_bytes() == b"old"
    assert (former / "changed").stat().st_mode & 0o7777 == 0o640
    assert (former / "link").read_text() == "an earlier one"
    assert str((former / "link.2").readlink()) == "/somewhere"


def test_half_of_a_former_file_is_not_taken_for_all_of_it(host, four, monkeypatch):
    record = staged(*four)
    staging.swap(record)
    with monkeypatch.context() as power:
        power.setattr(durable, "write_new", half_of_it)
        with pytest.raises(KeyboardInterrupt):
            staging.keep_former(record)
    staging.keep_former(record)
    assert (host / "var/lib/deployer/former/etc/changed").read_bytes() == b"old"


def half_of_it(path, data, *_):
    pathlib.Path(path).write_bytes(data[:1])
    raise KeyboardInterrupt
