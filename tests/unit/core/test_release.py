"""Releases: the same source has the same name and bytes; what is no part of an app stays at home."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest
from hosts import app

from deployer.errors import UsageError
from deployer.release import read_release
from deployer.service import ReleaseWanted

WANTED = ReleaseWanted(
    app="blog",
    folder="/srv/blog/releases",
    user="app-blog",
    current="/srv/blog/current/code",
    restarts=("app-blog.service",),
    packages="python",
    lock="requirements.lock",
)


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "src"
    (folder / "pkg").mkdir(parents=True)
    (folder / "pkg/main.py").write_text("app = 1\n")
    (folder / "requirements.lock").write_text("x==1 --hash=sha256:00\n")
    return folder


def names(release) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(release.tree)) as archive:
        return {m.name: archive.extractfile(m).read() for m in archive.getmembers() if m.isfile()}


def test_the_same_source_gives_the_same_name_and_bytes(source):
    first = read_release(WANTED, app(), source)
    os.utime(source / "pkg/main.py", (1, 1))
    second = read_release(WANTED, app(), source)
    assert (first.identifier, first.tree) == (second.identifier, second.tree)


@pytest.mark.parametrize("change", ["content", "name", "mode"])
def test_any_change_of_the_source_changes_the_name(source, change):
    before = read_release(WANTED, app(), source)
    path = source / "pkg/main.py"
    {
        "content": lambda: path.write_text("app = 2\n"),
        "name": lambda: path.rename(source / "pkg/other.py"),
        "mode": lambda: path.chmod(0o755),
    }[change]()
    after = read_release(WANTED, app(), source)
    assert after.identifier != before.identifier
    assert after.environment == before.environment


def test_other_requirements_are_another_environment(source):
    before = read_release(WANTED, app(), source).environment
    (source / "requirements.lock").write_text("x==2 --hash=sha256:00\n")
    assert read_release(WANTED, app(), source).environment != before


def test_what_is_no_part_of_an_app_stays_at_home(source):
    (source / ".git").mkdir()
    (source / ".git/config").write_text("secret")
    (source / ".env").write_text("secret")
    (source / "pkg/__pycache__").mkdir()
    (source / "pkg/__pycache__/main.pyc").write_text("x")
    release = read_release(WANTED, app(), source)
    assert set(names(release)) == {"pkg/main.py", "requirements.lock", ".deployer-release"}
    assert names(release)[".deployer-release"] == f"RELEASE={release.identifier}\n".encode()


def test_a_link_out_of_the_source_is_refused(source, tmp_path):
    (tmp_path / "secret").write_text("x")
    (source / "pkg/link").symlink_to(tmp_path / "secret")
    with pytest.raises(UsageError, match="link out of the source"):
        read_release(WANTED, app(), source)


def test_a_link_within_the_source_is_packed_as_what_it_leads_to(source):
    (source / "shared.py").write_text("x = 1\n")
    (source / "pkg/link.py").symlink_to("../shared.py")
    assert names(read_release(WANTED, app(), source))["pkg/link.py"] == b"x = 1\n"


@pytest.mark.parametrize("target", [".", ".."])
def test_a_link_to_a_folder_that_holds_it_is_refused(source, target):
    (source / "pkg/deeper").mkdir()
    (source / "pkg/deeper/again").symlink_to(target)
    with pytest.raises(UsageError, match="a link to a folder that holds it"):
        read_release(WANTED, app(), source)


def test_requirements_without_hashes_or_no_source_are_refused(source, tmp_path):
    (source / "requirements.lock").write_text("x==1\n")
    with pytest.raises(UsageError, match="has no hashes"):
        read_release(WANTED, app(), source)
    with pytest.raises(UsageError, match="is not a folder"):
        read_release(WANTED, app(), tmp_path / "nowhere")
    (source / "requirements.lock").unlink()
    with pytest.raises(UsageError, match="cannot be read"):
        read_release(WANTED, app(), source)


@pytest.mark.parametrize("odd", ["circle", "bytes", "long", "pipe"])
def test_a_source_that_cannot_be_read_or_named_is_refused(source, odd):
    if odd == "circle":
        (source / "a").symlink_to("b")
        (source / "b").symlink_to("a")
    elif odd == "bytes":
        Path(os.fsdecode(os.fsencode(source) + b"/\xff")).touch()
    elif odd == "pipe":
        (source / "requirements.lock").unlink()
        os.mkfifo(source / "requirements.lock")
    else:
        source = source / ("a" * 300)
    with pytest.raises(UsageError, match=r"cannot be read|no name in UTF-8|no plain file"):
        read_release(WANTED, app(), source)


def test_a_huge_file_is_refused_before_it_is_read(source):
    with (source / "dump.sql").open("wb") as stream:
        stream.truncate(1 << 40)
    with pytest.raises(UsageError, match="larger than 256 MiB"):
        read_release(WANTED, app(), source)


@pytest.mark.parametrize("static", [".", "..", "pkg/..", "../src", "pkg/../../other", "//"])
def test_static_files_lie_in_a_folder_of_their_own(source, static):
    (source.parent / "other").mkdir()
    with pytest.raises(UsageError, match="no folder inside the source"):
        read_release(WANTED, app(static=static), source)


def test_a_folder_of_static_files_has_to_be_there(source):
    with pytest.raises(UsageError, match="is not there"):
        read_release(WANTED, app(static="pkg/static"), source)
    (source / "pkg/static").mkdir()
    read_release(WANTED, app(static="pkg/static"), source)
