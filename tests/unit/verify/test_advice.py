"""Advice that is computed: what lifts the limit that was met, and what the whole budget says of it."""

from dataclasses import replace

import pytest
from samples_of_load import SLO, TARGET, all_phases, host

from deployer.allocate import allocate
from deployer.app import AppDatabase
from deployer.declaration import Declaration, Target
from deployer.errors import BudgetError
from deployer.hardware import Hardware
from deployer.inventory.models import AppForm
from deployer.services.gunicorn import GunicornSettings
from deployer.services.mysql import MysqlSettings
from deployer.services.nginx import NginxSettings
from deployer.verify import report
from deployer.verify.advice import advise
from deployer.verify.judge import judge
from deployer.verify.target import AppLimits
from deployer.verify.verdict import Advice


def declared(*, cpu_cores=1, memory_mib=1024, **pins):
    form = GunicornSettings(module="blog.main:app", **pins)
    database = AppDatabase(migrate=("python", "-m", "blog.migrate"))
    return Declaration(
        host="test1",
        hardware=Hardware(cpu_cores=cpu_cores, memory_mib=memory_mib),
        apps={"blog": AppForm(source="src", gunicorn=form, server_names=("blog.example",), database=database)},
        settings={"nginx": NginxSettings(), "mysql": MysqlSettings()},
        target=Target(connections=1000),
    )


def advice(declaration=None, *, seen=None, target=TARGET, path="/post", **over):
    declaration = declaration or declared(cpu_cores=1, memory_mib=1024)
    verdict = judge(all_phases(**over), seen or host(), target, SLO, duration_s=41.3)
    found = advise(declaration, allocate(declaration), verdict, "blog")
    return [one for one in found if one.path == path]


def test_a_full_processor_wants_more_cores_and_gets_the_next_size_that_fits():
    [one] = advice(capacity={"req_per_s": 400.0})
    assert one.change == "a VPS of 2c2g"
    assert one.req_per_s == 800.0
    assert one.because.startswith("400 requests/s filled its one core, that one has 2; 2 workers of blog instead of 1")
    [four] = advice(declared(cpu_cores=2, memory_mib=2048), capacity={"req_per_s": 400.0})
    assert (four.change, four.req_per_s) == ("a VPS of 4c4g", 800.0)


def test_a_size_with_less_memory_is_no_larger_one():
    [one] = advice(declared(cpu_cores=1, memory_mib=4096))
    assert one.change == "a VPS of 2c4g"


def test_the_largest_host_has_no_larger_one():
    assert advice(declared(cpu_cores=64, memory_mib=131072)) == []


def test_a_full_link_wants_a_wider_one_or_smaller_answers():
    target = replace(TARGET, bandwidth_mbit_per_s=3.0)
    seen = host(busy=0.2)
    [one] = advice(seen=seen, target=target, capacity={"req_per_s": 70.0, "bytes_per_answer": 5000.0, "cpu_share": 0.1})
    assert one.change == "a link of 6 Mbit/s, or answers of half as many bytes"
    assert one.req_per_s == pytest.approx(2 * 3e6 / 8 / 5286, rel=0.01)
    assert "an answer takes 5286 bytes of the link, which carries 71 of them a second" in one.because


def waiting(declaration, busy, *, limits, user=None, app=None, counters=None, **over):
    """Advise on a page of which 32 were asked for at once, 100 a second were served, and the host had time."""
    server = {"users": {"blog": {"connections": 4, "busy": 0, **(user or {})}}, **(counters or {})}
    seen = host(busy=busy, servers={"mariadb": server}, apps={"blog": app or {}})
    target = replace(TARGET, limits=AppLimits(app="blog", database="mariadb", user="blog", **limits))
    capacity = {"req_per_s": 100.0, "cpu_share": 0.1, "connections_wanted": 32, "path": "/post", **over}
    return advice(declaration, seen=seen, target=target, capacity=capacity)


def threaded(threads):
    return declared(worker_class="gthread", workers=1, threads=threads)


LENT = {"in_transaction": 4}


def test_requests_that_wait_for_a_thread_want_more_of_them_as_far_as_the_processor_goes():
    [one] = waiting(threaded(threads=4), busy=0.45, limits={"at_once": 4}, app={"queue": 28})
    assert one.change == "apps.blog.gunicorn.threads: 8"
    assert one.req_per_s == 200.0
    assert one.because == "4 could be in progress, 32 were asked for, and the host's CPU was 45% busy"


def test_requests_that_wait_for_a_connection_to_the_database_want_a_larger_pool():
    [one] = waiting(declared(pool_size=4), busy=0.3, limits={"pool_connections": 4}, user=LENT)
    assert (one.change, one.req_per_s) == ("apps.blog.gunicorn.pool_size: 12", 300.0)


def test_as_much_is_advised_as_the_host_has_room_for():
    tight = declared(pool_size=4, worker_memory_mib=165)
    [one] = waiting(tight, busy=0.01, limits={"pool_connections": 4}, user=LENT)
    most = int(one.change.rpartition(" ")[2])
    assert 4 < most < 32
    assert one.req_per_s == 100.0 * most / 4
    assert "1024 MiB have no room for 32" in one.because
    allocate(declared(pool_size=most, worker_memory_mib=165))
    with pytest.raises(BudgetError):
        allocate(declared(pool_size=most + 1, worker_memory_mib=165))


def test_more_than_were_asked_for_is_no_advice():
    assert waiting(threaded(threads=32), busy=0.3, limits={"at_once": 32}) == []


OUTSIDE = {"outside_waiting": 32, "outside_waited_ms": 29_000, "outside_to": "203.0.113.7:443"}


def test_for_a_slow_service_outside_no_larger_host_is_advised():
    [one] = waiting(declared(), busy=0.02, limits={}, app=OUTSIDE)
    assert one.change == "answer at once and call the service in apps.blog.background, or keep what it said"
    assert "waited for 203.0.113.7:443, up to 29.0 s" in one.because
    assert one.because.endswith("a larger VPS would serve nobody sooner")
    places, _ = waiting(threaded(threads=4), busy=0.02, limits={"at_once": 4}, app=OUTSIDE)
    assert (places.change, places.req_per_s) == ("apps.blog.gunicorn.threads: 32", 800.0)


def test_a_slow_database_wants_memory_only_for_what_it_read_from_the_disk():
    busy = {"user": {"busy": 4}, "limits": {"pool_connections": 4}}
    [one] = waiting(declared(pool_size=4), busy=0.2, **busy)
    assert "indexes" in one.change
    assert "a larger VPS would not shorten them" in one.because


def test_a_wait_for_a_lock_is_no_matter_of_size():
    [one] = waiting(declared(), busy=0.1, limits={}, user={"busy": 4, "waiting_for_lock": 3})
    assert "shorter transactions in blog" in one.change


def test_a_disk_that_is_full_wants_more_pages_in_memory():
    [one] = [
        one for one in advice(seen=host(busy=0.2, cpu_iowait_share=0.6), target=WITH_DATABASE) if one.req_per_s is None
    ]
    assert one.change == "a VPS of 1c2g"
    assert "innodb_buffer_pool_size is" in one.because


def test_who_is_told_429_names_where_the_load_comes_from():
    told = {"errors": {"status": 30_000}, "first_errors": {"status": "status 429"}}
    [one] = advice(capacity={**told, "req_per_s": 30.0})
    assert one.change.startswith("load_from")
    assert "30 times a second" in one.because


WITH_DATABASE = replace(TARGET, limits=AppLimits(app="blog", database="mariadb", user="blog"))


@pytest.mark.parametrize("limit", [{"cpu_share": 0.99}, {}])
def test_what_was_no_limit_of_the_host_needs_no_other_host(limit):
    seen = host(busy=0.3) if limit else host(busy=0.3, cpu_neighbour_share=0.5)
    assert advice(seen=seen, capacity=limit) == []


def test_the_report_tells_it_and_the_document_has_it():
    verdict = judge(all_phases(), host(), TARGET, SLO, duration_s=41.3)
    told = replace(verdict, advice=(Advice(path="/post", change="a VPS of 2c2g", req_per_s=800.04, because="so"),))
    shown = [line.split() for line in report.text(told).splitlines()]
    assert ["what", "would", "lift", "it", "for", "at", "most", "req/s", "because"] in shown
    assert ["a", "VPS", "of", "2c2g", "/post", "800", "so"] in shown
    assert report.document(told)["advice"] == [
        {"path": "/post", "change": "a VPS of 2c2g", "req_per_s": 800.0, "because": "so"}
    ]
