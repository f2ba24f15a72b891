"""Frames: what is written is read, and whatever else arrives is refused before it costs memory."""

import errno
import io
import struct

import pytest
from hypothesis import given, strategies as st

from deployer.agent import frames

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def reader(data, at_once=7):
    source = io.BytesIO(data)
    return lambda count: source.read(min(count, at_once))


@given(st.dictionaries(st.text(), json_values, max_size=5), st.binary(max_size=300), st.integers(1, 50))
def test_a_frame_comes_back_as_it_was_however_it_is_cut(document, blob, at_once):
    read = reader(frames.encode(document, len(blob)) + blob + b"next", at_once)
    found, body = frames.read_frame(read)
    assert found == document
    assert body.read() == blob
    assert read(1) == b"n"


@given(st.binary(max_size=400))
def test_garbage_never_raises_anything_but_a_protocol_error(data):
    try:
        frame = frames.read_frame(reader(data))
    except frames.ProtocolError:
        return
    assert frame is None or isinstance(frame[0], dict)


@given(st.integers(1, 60))
def test_every_cut_is_noticed(cut):
    whole = frames.encode({"op": "observe", "files": []}, 20) + b"x" * 20
    with pytest.raises(frames.ProtocolError, match="ended"):
        frames.read_frame(reader(whole[: min(cut, len(whole) - 1)]))


def test_the_end_between_frames_is_no_error():
    assert frames.read_frame(reader(b"")) is None


@pytest.mark.parametrize(
    "head",
    [struct.pack(">II", frames.MAX_JSON_BYTES + 1, 0), struct.pack(">II", 2, frames.MAX_BLOB_BYTES + 1)],
)
def test_a_frame_over_the_limit_is_refused_before_its_body_is_read(head):
    asked = []

    def read(count):
        asked.append(count)
        return head[:count] if len(asked) == 1 else b"x" * count

    with pytest.raises(frames.ProtocolError, match="limit"):
        frames.read_frame(read)
    assert asked == [8]


def test_a_lower_blob_limit_is_kept():
    with pytest.raises(frames.ProtocolError, match="limit"):
        frames.read_frame(reader(frames.encode({}, 1) + b"x"), max_blob_bytes=0)


@pytest.mark.parametrize("body", [b"[]", b"1", b"nonsense", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 50_000])
def test_only_a_json_object_is_a_document(body):
    with pytest.raises(frames.ProtocolError, match="JSON"):
        frames.read_frame(reader(struct.pack(">II", len(body), 0) + body, at_once=65536))


def test_too_much_is_refused_by_the_sender_too():
    with pytest.raises(frames.ProtocolError, match="limit"):
        frames.encode({"text": "x" * frames.MAX_JSON_BYTES})
    with pytest.raises(frames.ProtocolError, match="limit"):
        frames.encode({}, frames.MAX_BLOB_BYTES + 1)


def test_a_file_name_that_is_no_utf8_can_be_told():
    frame, _ = frames.read_frame(reader(frames.encode({"path": "/srv/\udcff"})))
    assert frame == {"path": "/srv/\udcff"}


def test_a_big_blob_does_not_stay_in_memory():
    blob = b"y" * (frames.SPOOL_ABOVE_BYTES + 1)
    _, body = frames.read_frame(reader(frames.encode({}, len(blob)) + blob, at_once=1 << 20))
    assert body._rolled
    assert body.read() == blob


class FullDisk(io.BytesIO):
    def write(self, data):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_blob_that_finds_no_room_is_read_to_its_end_so_that_the_answer_is_heard(monkeypatch):
    monkeypatch.setattr(frames.tempfile, "SpooledTemporaryFile", lambda *_args, **_options: FullDisk())
    read = reader(frames.encode({"op": "apply"}, 200_000) + bytes(200_000) + frames.encode({"op": "stop"}), 5000)
    with pytest.raises(frames.NoRoomError, match="No space left"):
        frames.read_frame(read)
    monkeypatch.undo()
    assert frames.read_frame(read)[0] == {"op": "stop"}
