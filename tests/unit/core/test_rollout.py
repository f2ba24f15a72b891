"""Whose turn it is among many hosts, for any fleet, any colours, and any order in which turns end."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, strategies as st

from deployer.errors import UsageError
from deployer.rollout import AT_ONCE, Colour, Rollout, Share, read_share

shares = st.one_of(
    st.none(),
    st.builds(Share, st.integers(1, 30)),
    st.integers(1, 100).map(lambda percent: Share(percent, is_percent=True)),
)


@dataclass
class Story:
    """A rollout that was driven to its end, and what happened, one after the other."""

    rollout: Rollout
    happened: list[tuple[str, str]] = field(default_factory=list)
    most_at_once: int = 0
    canaries_at_once: int = 0
    begun_beside: dict[str, frozenset[str]] = field(default_factory=dict)

    @property
    def begun(self) -> list[str]:
        return [host for kind, host in self.happened if kind == "begin"]

    @property
    def ended(self) -> list[str]:
        return [host for kind, host in self.happened if kind == "end"]


@st.composite
def rollouts(draw: st.DrawFn) -> Rollout:
    hosts = [f"web{number}" for number in range(draw(st.integers(1, 25)))]
    return Rollout.of(hosts, canary=draw(shares), batch=draw(shares), at_once=draw(st.integers(1, 9)))


@st.composite
def stories(draw: st.DrawFn, *, colours: tuple[Colour, ...] = tuple(Colour)) -> Story:
    rollout = draw(rollouts())
    story = Story(rollout)
    while not rollout.is_over:
        for host in rollout.may_begin():
            story.begun_beside[host] = rollout.running
            rollout = rollout.begin(host)
            story.happened.append(("begin", host))
        story.most_at_once = max(story.most_at_once, len(rollout.running))
        if any(rollout.is_canary(host) for host in rollout.running):
            story.canaries_at_once = max(story.canaries_at_once, len(rollout.running))
        host = draw(st.sampled_from(sorted(rollout.running)))  # fails if it waits for nobody
        rollout = rollout.end(host, draw(st.sampled_from(colours)))
        story.happened.append(("end", host))
    story.rollout = rollout
    return story


@given(rollouts())
def test_every_host_stands_in_one_wave(rollout):
    assert sorted(rollout.hosts) == sorted(set(rollout.hosts))
    assert all(rollout.waves)


@given(stories())
def test_each_host_begins_at_most_once_and_every_turn_ends(story):
    assert len(story.begun) == len(set(story.begun))
    assert sorted(story.begun) == sorted(story.ended)
    assert sorted((*story.begun, *story.rollout.not_begun)) == sorted(story.rollout.hosts)


@given(stories())
def test_nothing_begins_after_a_red_or_a_canary_that_is_not_green(story):
    stops = [
        number
        for number, (kind, host) in enumerate(story.happened)
        if kind == "end"
        and (
            story.rollout.ended[host] is Colour.RED
            or (story.rollout.is_canary(host) and story.rollout.ended[host] is not Colour.GREEN)
        )
    ]
    assert (story.rollout.stopped_by is not None) == bool(stops)
    if stops:
        assert story.rollout.stopped_by == story.happened[stops[0]][1]
        assert all(kind == "end" for kind, _ in story.happened[stops[0] :])
    else:
        assert not story.rollout.not_begun


@given(stories())
def test_canaries_come_before_all_others_and_one_after_the_other(story):
    canaries = [host for host in story.begun if story.rollout.is_canary(host)]
    assert story.begun[: len(canaries)] == canaries
    assert story.canaries_at_once <= 1
    if len(story.begun) > len(canaries):
        assert all(story.rollout.ended[host] is Colour.GREEN for host in story.rollout.hosts[: story.rollout.canaries])


@given(stories())
def test_a_batch_waits_for_the_one_before_it(story):
    place = {host: number for number, wave in enumerate(story.rollout.waves) for host in wave}
    assert [place[host] for host in story.begun] == sorted(place[host] for host in story.begun)
    for host, others in story.begun_beside.items():
        assert all(place[other] == place[host] for other in others)


@given(stories())
def test_no_more_are_under_way_than_was_said(story):
    assert story.most_at_once <= story.rollout.at_once


@given(stories(colours=(Colour.GREEN, Colour.DOWN)))
def test_hosts_that_are_down_stop_nobody_but_as_canaries(story):
    down = [host for host, colour in story.rollout.ended.items() if colour is Colour.DOWN]
    if not any(story.rollout.is_canary(host) for host in down):
        assert story.rollout.stopped_by is None
        assert not story.rollout.not_begun


@given(st.lists(st.sampled_from(Colour), min_size=1, max_size=12), st.integers(1, 5))
def test_a_survey_stops_for_nothing(colours, at_once):
    rollout = Rollout.survey([f"web{number}" for number in range(len(colours))], at_once=at_once)
    for colour in colours:
        host = rollout.may_begin()[0]
        rollout = rollout.begin(host).end(host, colour)
    assert rollout.is_over
    assert not rollout.not_begun


@given(st.integers(1, 100), st.integers(1, 500))
def test_a_percentage_is_never_more_than_was_said_but_one(percent, hosts):
    found = Share(percent, is_percent=True).of(hosts)
    assert 1 <= found <= hosts
    assert found == 1 or found * 100 <= percent * hosts


def test_a_canary_and_quarters():
    hosts = [f"web{number}" for number in range(1, 10)]
    rollout = Rollout.of(hosts, canary=read_share("1", option="--canary"), batch=read_share("25%", option="--batch"))
    assert [len(wave) for wave in rollout.waves] == [1, 2, 2, 2, 2]
    assert Rollout.of(hosts).waves == (tuple(hosts),)
    assert Rollout.of(hosts).at_once == AT_ONCE
    assert [len(wave) for wave in Rollout.of(hosts, batch=Share(4)).waves] == [4, 4, 1]
    assert Rollout.of(hosts, canary=Share(20)).waves == (tuple(hosts),)


def test_the_rest_of_a_batch_does_not_begin_after_a_red():
    rollout = Rollout.of(["a", "b", "c", "d"], at_once=2)
    rollout = rollout.begin("a").begin("b").end("a", Colour.RED)
    assert rollout.may_begin() == ()
    assert not rollout.is_over
    rollout = rollout.end("b", Colour.GREEN)
    assert rollout.is_over
    assert rollout.not_begun == ("c", "d")
    assert rollout.stopped_by == "a"


@pytest.mark.parametrize("text", ["0", "0%", "101%", "-1", "1.5", "a", "%", "25 %", "٣", "1000000"])
def test_what_is_no_share_is_refused(text):
    with pytest.raises(UsageError, match="no share") as refused:
        read_share(text, option="--batch")
    assert refused.value.where == "--batch"
    assert read_share("", option="--batch") is None
