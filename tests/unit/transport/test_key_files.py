"""Files that are named as a private key: what holds no key, or has no end, is told and not waited for."""

import os
from pathlib import Path

import pytest

from deployer.errors import AuthError
from deployer.transport.identity import Identities
from deployer.transport.login import Login


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "public"])
def test_a_file_that_is_no_private_key_is_not_waited_for(tmp_path, kind):
    key = Path("/dev/zero") if kind == "device" else tmp_path / "key"
    if kind in ("pipe", "public"):
        os.mkfifo(key if kind == "pipe" else tmp_path / "key.pub")
    elif kind == "folder":
        key.mkdir()
    ours = Identities(Login(address="192.0.2.1", user="deploy", key_files=(key,)), tmp_path)
    with pytest.raises(AuthError, match="does not exist" if kind == "public" else "is no plain file"):
        ours.authenticate(None)
