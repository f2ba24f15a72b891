"""Where load may come from: what `--from` means, and what is refused before anything is sent."""

from pathlib import Path

import pytest
import yaml

from deployer.errors import UsageError
from deployer.inventory import load_inventory
from deployer.loadorigins import FROM_HERE, origins_of

HARDWARE = {"cpu_cores": 2, "memory_mib": 2048, "disk_gib": 20, "bandwidth_mbit_per_s": 100}


def host(address, **more):
    return {"hardware": dict(HARDWARE), "ssh": {"address": address, "config": "none"}, **more}


@pytest.fixture
def inventory(tmp_path):
    hosts = {
        "web1": host("192.0.2.1", load="allowed", load_from=["192.0.2.7", "198.51.100.0/24", "127.0.0.1"]),
        "web2": host("192.0.2.2", load="allowed", load_from=["192.0.2.7"]),
        "lg1": host("198.51.100.1", generates_load=True),
        "lg2": host("lg2.example", generates_load=True),
        "lg3": host("203.0.113.3", generates_load=True),
        "idle": host("198.51.100.9"),
    }
    path = Path(tmp_path, "hosts.yml")
    path.write_text(yaml.safe_dump({"hosts": hosts, "groups": {"all": ["lg1", "lg2"]}}))
    return load_inventory([path])


def found(inventory, words, target="web1"):
    return origins_of(words, inventory.entry(target), inventory)


def test_nothing_is_here(inventory):
    assert found(inventory, "") == found(inventory, " , ") == FROM_HERE
    assert (FROM_HERE.here, FROM_HERE.loopback, FROM_HERE.hosts) == (True, False, ())


@pytest.mark.parametrize(
    ("words", "here", "loopback", "names"),
    [
        ("here", True, False, []),
        ("loopback", False, True, []),
        ("lg1", False, False, ["lg1"]),
        ("lg1, lg2,here", True, False, ["lg1", "lg2"]),
        ("all,loopback,lg1", False, True, ["lg1", "lg2"]),
    ],
)
def test_words_groups_and_hosts(inventory, words, here, loopback, names):
    origins = found(inventory, words)
    assert (origins.here, origins.loopback) == (here, loopback)
    assert [entry.name for entry in origins.hosts] == names
    assert origins.passes_no_link == (words == "loopback")
    assert list(origins.names) == ["here"] * here + ["loopback"] * loopback + names


@pytest.mark.parametrize(
    ("words", "target", "where"),
    [
        ("lg1,lg9", "web1", "--from"),
        ("idle", "web1", "hosts.idle.generates_load"),
        ("lg1,web1", "web1", "--from web1"),
        ("lg3", "web1", "hosts.web1.load_from"),
        ("loopback", "web2", "hosts.web2.load_from"),
    ],
)
def test_what_is_refused(inventory, words, target, where):
    with pytest.raises(UsageError) as caught:
        found(inventory, words, target)
    assert where in caught.value.diagnostics()


def test_of_a_name_it_is_not_known_which_address_it_has(inventory):
    assert found(inventory, "lg2", "web2").hosts
