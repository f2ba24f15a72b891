"""Round trips as slopes: what hides behind the wire is not counted as distance between 100 and 300 ms."""

from __future__ import annotations

import pytest

from deployer.tasks import noop

ROUND_TRIPS, START_S = 9, 0.06


def walls(rtt_s: float) -> noop._Walls:
    """Give a deploy of nine round trips whose host starts Python meanwhile, and one that must start it afterwards."""
    hidden = ROUND_TRIPS * rtt_s + max(0.0, START_S - rtt_s)
    behind_a_password = (ROUND_TRIPS + 1) * rtt_s + START_S
    return noop._Walls(bare=[rtt_s], cold=[hidden], asked=[behind_a_password], warm=[rtt_s], change=[rtt_s])


def test_a_sudo_password_is_one_round_trip_where_all_is_hidden_that_can_be() -> None:
    rows = {row.name: row for row in noop._round_trips({rtt_s: walls(rtt_s) for rtt_s in noop.ADDED_RTT_S})}
    assert rows["round trips, 0 to 100 ms: a sudo password, besides"].runs == pytest.approx((1.6,))
    assert rows["round trips, 0 to 100 ms: a sudo password, besides"].missed == 1
    assert rows["round trips, 0 to 100 ms: deploy without a change"].runs == pytest.approx((8.4,))
    assert rows["round trips, 100 to 300 ms: a sudo password, besides"].runs == pytest.approx((1.0,))
    assert rows["round trips, 100 to 300 ms: deploy without a change"].runs == pytest.approx((9.0,))
