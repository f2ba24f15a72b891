"""What the load itself sees of a host that suffers."""

import pytest

from deployer.verify.safety import Guard

WELL = {"done": 100, "errors": 0, "in_flight": 3, "backlog": 0}


@pytest.mark.parametrize(
    ("second", "silence_s", "says"),
    [
        (WELL, 0.5, ""),
        (WELL, 4.0, ""),
        ({**WELL, "errors": 9, "done": 1}, 0.5, ""),
        ({**WELL, "errors": 10, "done": 191}, 0.5, ""),
        ({**WELL, "errors": 10, "done": 180}, 0.5, "10 of 190 requests of a second failed"),
        ({**WELL, "done": 0}, 1.0, ""),
        ({**WELL, "done": 0}, 1.9, "answered nothing for a second, and told nothing for 2 s"),
        ({**WELL, "done": 0, "in_flight": 0, "backlog": 5}, 1.9, "answered nothing"),
        ({**WELL, "done": 0, "in_flight": 0}, 1.9, ""),
    ],
)
def test_errors_and_silence_end_the_load(second, silence_s, says):
    guard = Guard()
    guard.heard(second)
    found = guard.alarm(silence_s)
    assert says in found
    assert bool(found) == bool(says)


def test_an_answer_ends_the_silence_and_a_phase_forgets_the_one_before():
    guard = Guard()
    guard.heard({**WELL, "done": 0})
    guard.heard(WELL)
    assert guard.alarm(5.0) == ""
    guard.heard({**WELL, "errors": 100})
    guard.heard(WELL)
    assert guard.alarm(0.0)
    guard.begin()
    assert guard.alarm(0.0) == ""
