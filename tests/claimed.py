"""Addresses of local VPSes that only tests use, each held by one of them at a time."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from deployer.sandbox.places import places

#: Last numbers of the addresses that tests may use; those below are for people.
ADDRESSES = range(100, 251)


@contextmanager
def claimed_address() -> Iterator[int]:
    """Hold an address; a run that dies gives it back, as the kernel frees its lock."""
    directory = places().root / "test-addresses"
    directory.mkdir(parents=True, exist_ok=True)
    for number in ADDRESSES:
        with (directory / str(number)).open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield number
            return
    pytest.fail("all addresses for tests are in use")
