"""A sandbox that is not ours to read has nothing to say about a host elsewhere."""

from pathlib import Path

import pytest

from deployer import sandbox
from deployer.inventory import load_inventory
from deployer.sandbox import SandboxError
from deployer.tasks.verification import local_vps

EXAMPLE = Path(__file__).parents[3] / "inventories" / "example.yml"


def test_a_sandbox_that_cannot_be_read_is_no_reason_against_a_load_test(tmp_path, monkeypatch):
    notes = tmp_path / "hosts" / "roots" / "shape.json"
    notes.mkdir(parents=True)  # root, as whom tests run, may read everything but this
    monkeypatch.setenv("DEPLOYER_SANDBOX_DIR", str(tmp_path))
    with pytest.raises(SandboxError):
        sandbox.hosts()
    assert local_vps(load_inventory([EXAMPLE]).entry("shop1")) is None
