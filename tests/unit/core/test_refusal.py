"""What a refusal advises is true: every change was made, and gains what is said."""

from __future__ import annotations

import re

import pytest
from hosts import MysqlSettings, app, gunicorn, host
from hypothesis import HealthCheck, assume, given, settings
from mixes import contradicts, hosts

from deployer.allocate import allocate, shortage_mib
from deployer.catalog import running
from deployer.errors import BudgetError
from deployer.unfit import gains, together


def remedies(declaration):
    return [one for service in running(declaration) for one in service.remedies(declaration)]


def missing_mib(declaration):
    try:
        return shortage_mib(declaration)
    except BudgetError:
        return None


@given(hosts())
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
def test_each_gain_is_what_the_change_gives(declaration):
    declaration = declaration.model_copy(
        update={"hardware": declaration.hardware.model_copy(update={"memory_mib": 512})}
    )
    assume(not contradicts(declaration))
    missing = missing_mib(declaration)
    assume(missing is not None and missing > 0)
    found = gains(declaration, remedies, shortage_mib)
    assert [one.fits for one in found] == sorted((one.fits for one in found), reverse=True)
    for one in found:
        assert one.mib > 0
        left = shortage_mib(one.remedy.declaration)
        assert left == missing - one.mib
        assert one.fits == (left <= 0)
    several = together(declaration, remedies, shortage_mib)
    if several:
        assert shortage_mib(several[-1].remedy.declaration) <= 0
        assert all(not one.fits for one in several[:-1])
    if any(one.fits for one in found):
        assert len(several) == 1


def refusal_of(declaration):
    with pytest.raises(BudgetError) as refused:
        allocate(declaration)
    return refused.value.message


def test_what_alone_is_enough_comes_first_and_is_marked():
    advice = refusal_of(host(connections=4000)).split("what would help:")[1]
    lines = re.findall(r"\+(\d+) MiB  (.*)", advice)
    marked = ["then it fits" in words for _, words in lines]
    assert marked == sorted(marked, reverse=True)
    assert marked[0]
    assert "together" not in advice


def test_the_most_visitors_that_fit_are_named():
    declaration = host(connections=4000)
    fits = int(re.search(r"target\.connections: (\d+) \(then it fits\)", refusal_of(declaration))[1])

    def with_visitors(number):
        return declaration.model_copy(update={"target": declaration.target.model_copy(update={"connections": number})})

    allocate(with_visitors(fits))
    refusal_of(with_visitors(fits + 1))


def test_where_no_single_change_is_enough_a_combination_is_named_in_one_line():
    pins = {"blog": app(gunicorn=gunicorn(workers=5))}
    text = refusal_of(
        host(memory_mib=512, unmanaged_mib=300, apps=pins, mysql=MysqlSettings(version="11.8", max_connections=100))
    )
    advice = text.split("what would help:")[1]
    assert "MiB" in advice
    assert not re.search(r"^ +\+\d+ MiB .*then it fits", advice, re.MULTILINE)
    (line,) = re.findall(r"^ +together: (.*) \(then it fits\)$", advice, re.MULTILINE)
    assert 2 <= line.count(" + ") + 1 <= 6


def test_a_database_on_another_host_is_offered_with_its_gain():
    declaration = host(connections=4000)
    gain = int(re.search(r"\+(\d+) MiB  mysql on another host", refusal_of(declaration))[1])
    assert gain == shortage_mib(declaration) - shortage_mib(
        host(connections=4000, mysql=None, apps={"blog": app(database=None)})
    )


def test_the_next_size_that_is_sold_is_named_and_is_the_next():
    text = refusal_of(host(memory_mib=512))
    assert text.rstrip().endswith("or a host with 1024 MiB")


def test_long_lived_connections_are_not_advised_away():
    chat = app(websockets={"path": "/live", "connections": 3500})
    text = refusal_of(host(connections=4000, apps={"blog": chat}))
    assert all(int(number) >= 3500 for number in re.findall(r"target\.connections: (\d+)", text))


def test_a_refused_ledger_of_many_apps_still_fits_on_a_screen():
    many = {f"app{n}": app(server_names=(f"{n}.example",)) for n in range(20)}
    text = refusal_of(host(apps=many))
    assert len(text.splitlines()) < 50
    assert re.search(r"-\d+ MiB  app19$", text, re.MULTILINE)
