"""Redis 7 and 8 and Valkey take what is rendered, without a warning, and then have what the budget says."""

from __future__ import annotations

import re

import pytest
from golden_hosts import GoldenHost, differing, having, in_bytes

from deployer.binaries import limit_of
from deployer.binaries.redis import Flavour, command, log_findings, settings, store
from deployer.sandbox import Inside

pytestmark = pytest.mark.real
#: Numbers of the budget that the unit has, not the server.
OF_THE_UNIT = {"MemoryMax", "TasksMax", "LimitNOFILE"}
HOSTS = ["cache1", "kept1", *having("/etc/redis/"), *having("/etc/valkey/")]


@pytest.mark.parametrize(
    ("release", "flavour"), [("bookworm", "redis"), ("trixie", "redis"), ("trixie", "valkey"), ("sid", "valkey")]
)
@pytest.mark.parametrize("name", HOSTS)
def test_it_warns_of_nothing_and_has_the_numbers_of_the_budget(
    place: Inside, name: str, release: str, flavour: Flavour
):
    host = GoldenHost.of(name, release, redis={"flavour": flavour, "version": "7" if release == "bookworm" else "8"})
    numbers = host.budget.numbers["redis"]
    (path,) = host.below(f"/etc/{flavour}/")
    place.lay(host.files)
    unit = f"{flavour}-server.service"
    with store(place, flavour, path, open_files=host.limit_nofile(unit), environment=host.environment(unit)) as server:
        has = settings(place, flavour)
        # what the allocator took of MALLOC_CONF; it says nothing of what it does not take
        taken = re.findall(r"opt\.(dirty|muzzy)_decay_ms: (-?\d+)", command(place, flavour, "MEMORY", "MALLOC-STATS"))
        assert taken == [("dirty", "0"), ("muzzy", "0")]
        assert limit_of(server.main) == numbers["LimitNOFILE"].value
    assert log_findings(server) == []

    ledger = {name: in_bytes(one.value, one.unit) for name, one in numbers.items() if name not in OF_THE_UNIT}
    limit = ledger.pop("client-output-buffer-limit")
    assert differing(ledger, has) == {}
    assert has["client-output-buffer-limit"] == " ".join(
        f"{who} {limit} {limit} 0" for who in ("normal", "slave", "pubsub")
    )


def test_a_setting_that_the_version_does_not_know_ends_it(place: Inside):
    place.lay(
        {"/etc/redis/broken.conf": b"port 0\nunixsocket /run/redis/redis-server.sock\nio-threads-do-read maybe\n"}
    )
    with pytest.raises(Exception, match="io-threads-do-read"), store(place, "redis", "/etc/redis/broken.conf"):
        pass
