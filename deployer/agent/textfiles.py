"""Small files of the kernel and of /etc, read with a bound; what cannot be read is nothing."""

from __future__ import annotations

from typing import Optional

#: Of files under /proc and /etc no more is read than this; bytes.
READ_LIMIT_BYTES = 1 << 20


def read(path: str, limit_bytes: int = READ_LIMIT_BYTES) -> str:
    """Give a small file's text, or nothing if it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read(limit_bytes).decode("utf-8", "replace")
    except OSError:
        return ""


def whole_number(text: str) -> Optional[int]:
    """Give the number that a text is, or None."""
    stripped = text.strip()
    return int(stripped) if stripped.isdigit() else None
