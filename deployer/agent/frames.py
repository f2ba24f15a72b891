"""Frames: the one form in which the agent and the control machine talk; used on both sides.

A frame is two big-endian unsigned 32-bit lengths, a UTF-8 JSON object of the first length and a blob of the
second. Whoever reads does not trust whoever writes: both lengths are checked before a byte of the body is
read, and a blob goes to a temporary file as soon as it is more than a little.
"""

from __future__ import annotations

import json
import os
import struct
import tempfile
from typing import Any, BinaryIO, Callable, Dict, Iterator, Optional, Tuple, cast

MAGIC = b"DEPLOYER-AGENT 1\n"
"""The agent's first bytes; the digit is the protocol's version."""

MAX_JSON_BYTES = 16 << 20
MAX_BLOB_BYTES = 512 << 20

#: A blob above this goes to a file, so that a host with little memory can take a big release; bytes.
SPOOL_ABOVE_BYTES = 1 << 20
#: How much of a blob is held at a time while it is copied; bytes.
CHUNK_BYTES = 64 << 10

_LENGTHS = struct.Struct(">II")

Document = Dict[str, Any]
Read = Callable[[int], bytes]


class ProtocolError(Exception):
    """What arrived is not the protocol: too long, cut off, or not a JSON object."""


class NoRoomError(Exception):
    """A blob could not be kept: the disk is full, or cannot be written to. The stream is whole."""


def encode(document: Document, blob_bytes: int = 0) -> bytes:
    """Give the bytes of a frame up to its blob.

    Args:
        document: The JSON object.
        blob_bytes: Length of the blob that the caller sends right behind, bytes, at most 512 MiB.

    Raises:
        ProtocolError: A length is over its limit: better said by the sender than found by the receiver.
    """
    body = json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode(
        "utf-8", "backslashreplace"
    )
    if len(body) > MAX_JSON_BYTES:
        raise ProtocolError("a document of %d bytes is over the limit of %d" % (len(body), MAX_JSON_BYTES))
    if not 0 <= blob_bytes <= MAX_BLOB_BYTES:
        raise ProtocolError("a blob of %d bytes is over the limit of %d" % (blob_bytes, MAX_BLOB_BYTES))
    return _LENGTHS.pack(len(body), blob_bytes) + body


def read_frame(read: Read, max_blob_bytes: int = MAX_BLOB_BYTES) -> Optional[Tuple[Document, BinaryIO]]:
    """Read one frame.

    Args:
        read: Gives between 1 and n bytes when called with n, and none at the end of the stream.
        max_blob_bytes: A longer blob is refused before it is read.

    Returns:
        The document and its blob, a file at position 0; None when the stream ended before the first byte.

    Raises:
        ProtocolError: The frame is too long, cut off, or its document is not a JSON object.
        NoRoomError: The blob could not be kept.
    """
    first = read(_LENGTHS.size)
    if not first:
        return None
    json_bytes, blob_bytes = _LENGTHS.unpack(first + _exactly(read, _LENGTHS.size - len(first)))
    if json_bytes > MAX_JSON_BYTES or blob_bytes > max_blob_bytes:
        raise ProtocolError("a frame claims %d + %d bytes, which is over the limit" % (json_bytes, blob_bytes))
    document = _document(_exactly(read, json_bytes))
    blob = tempfile.SpooledTemporaryFile(SPOOL_ABOVE_BYTES, dir=_spool_place())  # noqa: SIM115 - the caller closes
    trouble: Optional[OSError] = None
    for piece in _pieces(read, blob_bytes):
        if trouble is None:
            trouble = _tried(blob.write, piece)
        # else: read on to its end, as whoever sends a blob listens only afterwards
    trouble = trouble or _tried(blob.seek, 0)
    if trouble is not None:
        _tried(blob.close)
        raise NoRoomError(trouble.strerror) from trouble
    return document, cast("BinaryIO", blob)


def _tried(action: Callable[..., object], *arguments: object) -> Optional[OSError]:
    try:
        action(*arguments)
    except OSError as error:
        return error
    return None


def _document(body: bytes) -> Document:
    try:
        document = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ProtocolError("a frame holds no JSON") from error
    if not isinstance(document, dict):
        raise ProtocolError("a frame holds no JSON object")
    return document


def _exactly(read: Read, count: int) -> bytes:
    return b"".join(_pieces(read, count))


def _pieces(read: Read, count: int) -> Iterator[bytes]:
    left = count
    while left:
        piece = read(min(left, CHUNK_BYTES))
        if not piece:
            raise ProtocolError("the stream ended %d bytes before a frame's end" % left)
        left -= len(piece)
        yield piece


def _spool_place() -> Optional[str]:
    # /tmp may be memory; a release of some hundred MiB would then count against the host's budget
    return "/var/tmp" if os.access("/var/tmp", os.W_OK) else None  # noqa: S108 - the file has no name there
