"""compare: what is said of another size is what declaring that size gives."""

from __future__ import annotations

import pytest
from hosts import app, host

from deployer.allocate import allocate
from deployer.compare import compare, sizes_of
from deployer.declaration import Declaration
from deployer.errors import UsageError
from deployer.services.mysql import MysqlSettings

TWO_PORTS = {
    "a": app(gunicorn=None, database=None, node={"script": "server.js", "port": 3000}),
    "b": app(gunicorn=None, database=None, go={"program": "b", "port": 3001}, server_names=("b.example",)),
}


def sized(declaration: Declaration, cpu_cores: int, memory_mib: int) -> Declaration:
    hardware = declaration.hardware.model_copy(update={"cpu_cores": cpu_cores, "memory_mib": memory_mib})
    return declaration.model_copy(update={"hardware": hardware})


def test_a_size_that_contradicts_the_rest_does_not_fit_and_says_why():
    """With four cores the first app has four processes, and the port of one is that of the second app."""
    one, four = compare(host(mysql=None, apps=TWO_PORTS), sizes_of("1c8g,4c8g"))
    assert one.budget is not None
    assert four.budget is None
    assert four.binds is None
    assert four.missing_mib == 0
    assert four.reason == "apps.b.go.port: port 3001 belongs to app a already"


def test_a_pin_beyond_a_smaller_size_does_not_fit_there():
    pinned = host(mysql=MysqlSettings(innodb_buffer_pool_size_mib=1500), memory_mib=4096)
    small, large = compare(pinned, sizes_of("1c1g,2c4g"))
    assert "is not smaller than the host's memory of 1024 MiB" in small.reason
    assert large.budget == allocate(sized(pinned, 2, 4096))


def test_what_is_missing_is_said_in_mib():
    [column] = compare(host(connections=4000), sizes_of("1c512m"))
    assert column.budget is None
    assert column.missing_mib > 0


@pytest.mark.parametrize("sizes", ["1c", "4g", "0c1g", "65c1g", "1c256m", "1c1g,1C1G", "1c1g,", "x"])
def test_what_is_no_size_is_refused(sizes):
    with pytest.raises(UsageError):
        sizes_of(sizes)
