"""Redis 7 and 8 and Valkey take what is rendered, without a warning, and then have what the budget says."""

from __future__ import annotations

import re

import pytest
from golden_hosts import GoldenHost, differing, having, in_bytes

from deployer.binaries import limit_of
from deployer.binaries.redis import Flavour, command, log_findings, settings, socket_of, store
from deployer.sandbox import SUITES, Inside

pytestmark = pytest.mark.real
#: Numbers of the budget that the unit has, not the server.
OF_THE_UNIT = {"MemoryMax", "TasksMax", "LimitNOFILE"}
HOSTS = ["cache1", "kept1", *having("/etc/redis/"), *having("/etc/valkey/")]


@pytest.mark.parametrize(
    ("release", "flavour"),
    [("bookworm", "redis"), ("trixie", "redis"), ("trixie", "valkey"), ("sid", "redis"), ("sid", "valkey")],
)
@pytest.mark.parametrize("name", HOSTS)
def test_it_warns_of_nothing_and_has_the_numbers_of_the_budget(
    place: Inside, name: str, release: str, flavour: Flavour
):
    host = GoldenHost.of(
        name, release, redis={"flavour": flavour, "version": SUITES[release].packages[f"{flavour}-server"]}
    )
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


#: What apps' libraries send: django-redis, BullMQ, ioredis, Fastify's plugins, Celery; and what `doctor` asks.
SENT = (
    *("SET a 1", "EXPIRE a 60", "KEYS *", "SCAN 0", "INFO", "CLIENT SETNAME app", "CLIENT LIST", "CLIENT ID"),
    *("EVAL return(redis.call('GET','a')) 1 a", "SCRIPT LOAD return(1)", "FUNCTION LIST", "XADD s * a 1", "XLEN s"),
    *("PUBLISH channel text", "MEMORY USAGE a", "CONFIG GET maxmemory", "CONFIG RESETSTAT", "ACL WHOAMI"),
    *("SLOWLOG GET", "COMMAND COUNT", "OBJECT ENCODING a", "HELLO 3", "FLUSHDB", "FLUSHALL"),
)
#: What would undo a limit, or take memory that is in nobody's price.
REFUSED = (
    *("CONFIG SET maxmemory 0", "CONFIG SET maxmemory-clients 0", "CONFIG REWRITE", "MODULE LOAD /x.so", "DEBUG JMAP"),
    *("REPLICAOF 127.0.0.1 1", "SLAVEOF NO ONE", "SHUTDOWN NOSAVE", "FAILOVER", "MIGRATE h 1 k 0 1", "SYNC"),
    *("PSYNC ? -1", "CLIENT NO-EVICT on", "ACL SETUSER default +@all", "ACL DELUSER x", "ACL LOAD", "ACL SAVE"),
    "EVAL return(redis.call('CONFIG','SET','maxmemory','0')) 0",
)


@pytest.mark.parametrize(("release", "flavour"), [("bookworm", "redis"), ("trixie", "redis"), ("trixie", "valkey")])
@pytest.mark.parametrize("name", ["cache1", "kept1"])
def test_no_client_undoes_its_limits(place: Inside, name: str, release: str, flavour: Flavour):
    host = GoldenHost.of(name, release, redis={"flavour": flavour, "version": "7" if release == "bookworm" else "8"})
    (path,) = host.below(f"/etc/{flavour}/")
    place.lay(host.files)
    with store(place, flavour, path):
        before = settings(place, flavour)
        sent, refused, copies = (
            {line: answer_to(place, flavour, line) for line in lines}
            for lines in (SENT, REFUSED, ("SAVE", "BGSAVE", "BGREWRITEAOF"))
        )
        assert settings(place, flavour) == before
    assert {line: said for line, said in sent.items() if "ERR" in said or "permission" in said} == {}
    no = re.compile("NOPERM|no permission|ACL failure in script|command (is )?not allowed")
    assert {line: said for line, said in refused.items() if not no.search(said)} == {}
    assert {"permission" in said for said in copies.values()} == {name == "cache1"}


def answer_to(place: Inside, flavour: Flavour, line: str) -> str:
    return place.run([f"{flavour}-cli", "-s", socket_of(flavour), *line.split()]).text


def test_a_setting_that_the_version_does_not_know_ends_it(place: Inside):
    place.lay(
        {"/etc/redis/broken.conf": b"port 0\nunixsocket /run/redis/redis-server.sock\nio-threads-do-read maybe\n"}
    )
    with pytest.raises(Exception, match="io-threads-do-read"), store(place, "redis", "/etc/redis/broken.conf"):
        pass
