"""Long-lived connections and uploads are in the heaps of Node.js, Java and Go, also while a process is restarted."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import given, settings, strategies as st
from runtime_hosts import UNITS, go_app, host_of, java_app, node_app, rendered, text_of

from deployer.allocate import allocate
from deployer.app import Websockets
from deployer.errors import BudgetError
from deployer.numbers import Provenance
from deployer.priors import PRIORS
from deployer.services import go, java, node


def chat_of(one: Any, connections: int = 900, memory_kib: int = 200, **more: Any) -> Any:
    held = Websockets(path="/live", connections=connections, memory_kib=memory_kib)
    return one.model_copy(update={"websockets": held, **more})


def test_go_s_memory_limit_holds_what_visitors_hold() -> None:
    chat = chat_of(go_app(memory_mib=76), memory_kib=1024)
    ((path, message),) = go.SERVICE.contradictions(host_of(chat))
    assert path == ("apps", "shop", "go", "memory_mib")
    assert message.endswith(
        "64 MiB for Go's collector to rest, and 900 long-lived connections of 1024 KiB, 4 uploads of 1 MiB in memory; "
        "write at least 1076"
    )
    pinned = chat_of(go_app(memory_mib=1078), memory_kib=1024)
    assert not list(go.SERVICE.contradictions(host_of(pinned)))
    free = chat_of(go_app(), memory_kib=1024)
    for one, memory_max in ((pinned, 1078), (free, None)):
        numbers = allocate(host_of(one, memory_mib=4096)).numbers["shop"]
        assert int(numbers["GOMEMLIMIT"].value) >= 64 + 900 + 4
        assert (numbers["MemoryMax"].provenance is Provenance.PINNED) == (memory_max is not None)
        assert memory_max in (None, numbers["MemoryMax"].value)


@settings(max_examples=120, deadline=None)
@given(
    one=st.sampled_from(["node", "pm2", "java"]),
    processes=st.integers(1, 6),
    is_pinned=st.booleans(),
    memory_mib=st.integers(1024, 16_384),
    connections=st.integers(10, 1000),
    memory_kib=st.integers(1, 4096),
    uploads_at_once=st.integers(1, 50),
)
def test_the_other_processes_heaps_hold_all_long_lived_connections(
    *,
    one: str,
    processes: int,
    is_pinned: bool,
    memory_mib: int,
    connections: int,
    memory_kib: int,
    uploads_at_once: int,
) -> None:
    """While one process is restarted, the others have all of them, and keep them afterwards."""
    pin = {"processes": processes} if is_pinned or one == "java" else {}
    plain = java_app(**pin) if one == "java" else node_app(pm2=one == "pm2", **pin)
    chat = chat_of(plain, connections, memory_kib, uploads_at_once=uploads_at_once)
    declaration = host_of(chat, cpu_cores=processes, memory_mib=memory_mib, connections=connections)
    try:
        budget = allocate(declaration)
    except BudgetError:
        return
    count = budget.count("shop", "processes")
    others = max(1, count - 1)
    held, uploads = connections * memory_kib / 1024 / others, uploads_at_once / others
    units = 1 if one == "pm2" else count
    process_mib = budget.count("shop", "MemoryMax") * units / count
    if one == "java":
        assert budget.count("shop", "heap") >= PRIORS.java_heap_floor_mib + held + uploads - 1
    else:
        assert budget.count("shop", "old_space") >= PRIORS.node_old_space_floor_mib + held - 1
        outside = PRIORS.node_beside_mib + uploads + (PRIORS.pm2_daemon_mib / count if one == "pm2" else 0)
        assert budget.count("shop", "old_space") + outside <= process_mib


def test_a_thousand_visitors_who_stay_fit_into_the_heap_that_is_rendered() -> None:
    small = {"cpu_cores": 1, "memory_mib": 1152, "connections": 1000, "mysql": None}
    chat = {
        one: chat_of(plain.model_copy(update={"database": None}), 1000)
        for one, plain in (("node", node_app()), ("java", java_app()))
    }
    for one, option in (("node", r"--max-old-space-size=(\d+)"), ("java", r"-Xmx(\d+)m")):
        heap = re.search(option, text_of(rendered(host_of(chat[one], **small)), f"{UNITS}/app-shop@.service"))
        assert heap is not None
        assert int(heap[1]) > 1000 * 200 / 1024 + 40


def test_two_processes_are_not_half_as_large_each_if_one_may_have_to_hold_all() -> None:
    one, two = (allocate(host_of(chat_of(node_app(processes=count), 1000), memory_mib=4096)) for count in (1, 2))
    assert two.claims["shop"].fixed_mib > 1.9 * one.claims["shop"].fixed_mib
    assert "2 x 1000 long-lived connections of 200 KiB" in two.claims["shop"].parts


def test_a_pinned_heap_without_room_for_long_lived_connections_is_refused() -> None:
    for service, one, where in (
        (node, chat_of(node_app(old_space_mib=200)), ("node", "old_space_mib")),
        (java, chat_of(java_app(heap_mib=190)), ("java", "heap_mib")),
    ):
        ((path, message),) = service.SERVICE.contradictions(host_of(one))
        assert path == ("apps", "shop", *where)
        least_mib = int(message.rpartition(" ")[2])
        assert least_mib >= 900 * 200 / 1024 + 16
        runner = one.run_by(where[0]).model_copy(update={where[1]: least_mib})
        fits = one.model_copy(update={where[0]: runner})
        assert not list(service.SERVICE.contradictions(host_of(fits)))
        assert allocate(host_of(fits)).count("shop", where[1].removesuffix("_mib")) == least_mib
