"""What comes as an archive: whole, harmless, nothing outside of its place."""

import io
import os
import tarfile

import pytest

from deployer.agent import blobs
from deployer.agent.refusal import Refusal


def packed(*members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, options in members:
            data = options.pop("data", b"")
            member = tarfile.TarInfo(name)
            member.size = len(data)
            for key, value in options.items():
                setattr(member, key, value)
            archive.addfile(member, io.BytesIO(data))
    out.seek(0)
    return out


def test_a_tree_is_unpacked_with_plain_modes(tmp_path):
    tree = packed(
        ("a/b/run", {"data": b"#!", "mode": 0o6777}),
        ("a/text", {"data": b"hi", "mode": 0o600, "uid": 1234}),
        ("a/link", {"type": tarfile.SYMTYPE, "linkname": "text"}),
        ("empty", {"type": tarfile.DIRTYPE, "mode": 0o700}),
    )
    blobs.unpack(tree, str(tmp_path))
    assert (tmp_path / "a/b/run").stat().st_mode & 0o7777 == 0o755
    assert (tmp_path / "a/text").stat().st_mode & 0o7777 == 0o644
    assert (tmp_path / "a/text").stat().st_uid == os.getuid()
    assert str((tmp_path / "a/link").readlink()) == "text"
    assert (tmp_path / "empty").is_dir()


@pytest.mark.parametrize(
    "members",
    [
        [("/etc/passwd", {"data": b"x"})],
        [("../out", {"data": b"x"})],
        [("a/../../out", {"data": b"x"})],
        [("a", {"type": tarfile.SYMTYPE, "linkname": "../../out"})],
        [("a", {"type": tarfile.SYMTYPE, "linkname": "/etc"})],
        [("a", {"type": tarfile.LNKTYPE, "linkname": "/etc/passwd"})],
        [("a", {"type": tarfile.CHRTYPE})],
        [("a", {"type": tarfile.FIFOTYPE})],
        [("a", {"data": b"1"}), ("a", {"data": b"2"})],
        [("a", {"data": b"1"}), ("a/b", {"data": b"2"})],
    ],
)
def test_a_hostile_tree_is_refused(tmp_path, members):
    inside = tmp_path / "inside"
    inside.mkdir()
    with pytest.raises(Refusal) as caught:
        blobs.unpack(packed(*members), str(inside))
    assert caught.value.kind == "preparation"
    assert list(tmp_path.iterdir()) == [inside]


def test_nothing_is_written_through_a_link_of_the_tree(tmp_path):
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    (inside / "way").symlink_to(outside)
    with pytest.raises((Refusal, OSError)):
        blobs.unpack(packed(("way", {"data": b"x"})), str(inside))
    assert list(outside.iterdir()) == []


def test_a_cut_archive_is_refused(tmp_path):
    data = packed(("a", {"data": b"x" * 100_000})).getvalue()
    with pytest.raises(Refusal, match="cannot be unpacked"):
        blobs.unpack(io.BytesIO(data[:50_000]), str(tmp_path))


def test_a_tree_that_is_too_big_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(blobs, "MAX_TREE_MIB", 1)
    with pytest.raises(Refusal, match="more than 1 MiB"):
        blobs.unpack(packed(("a", {"data": bytes(2 << 20)})), str(tmp_path))


def test_a_blob_that_did_not_come_is_a_refusal():
    with pytest.raises(Refusal, match="did not come"):
        blobs.Blobs(io.BytesIO()).read("a")
    with pytest.raises(Refusal, match="cannot be read"):
        blobs.Blobs(io.BytesIO(b"x" * 600))


def test_a_link_is_removed_and_not_followed(tmp_path):
    (tmp_path / "goal").mkdir()
    (tmp_path / "goal/kept").write_bytes(b"")
    (tmp_path / "link").symlink_to(tmp_path / "goal")
    blobs.remove_tree(str(tmp_path / "link"))
    assert (tmp_path / "goal/kept").exists()
    assert not (tmp_path / "link").is_symlink()
    blobs.remove_tree(str(tmp_path / "goal"))
    assert list(tmp_path.iterdir()) == []
