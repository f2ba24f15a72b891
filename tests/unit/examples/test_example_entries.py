"""The inventory entry that each example's README shows is one that a small host takes."""

import re
from pathlib import Path

import pytest
import yaml

from deployer.allocate import allocate
from deployer.inventory import load_inventory
from deployer.render import render

EXAMPLES = Path(__file__).parents[3] / "examples"
HOST = {"hardware": {"cpu_cores": 1, "memory_mib": 2048, "disk_gib": 20}, "ssh": {"address": "192.0.2.1"}}


@pytest.mark.parametrize("example", ["shop", "notes", "guestbook", "feed", "studio", "shortener", "quotes"])
def test_the_entry_fits_a_host_of_one_core_and_two_gib(example, tmp_path):
    (block,) = re.findall(
        r"```yaml\n(.*?)```", (EXAMPLES / example / "README.md").read_text(encoding="utf-8"), re.DOTALL
    )
    entry = HOST | yaml.safe_load(block)
    entry["apps"][example]["source"] = str(EXAMPLES / example)
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(yaml.safe_dump({"hosts": {"one": entry}}), encoding="utf-8")
    declaration = load_inventory([inventory]).entries["one"].declaration
    assert render(declaration, allocate(declaration)).files
