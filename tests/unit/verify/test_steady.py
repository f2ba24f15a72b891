"""When a page is warm."""

import pytest
from samples_of_load import measured

from deployer.verify.steady import is_steady, still_warming


def windows(*figures):
    return [measured("warm-up", req_per_s=float(rate), p95_ms=p95) for rate, p95 in figures]


@pytest.mark.parametrize(
    ("figures", "steady"),
    [
        ([(100, 50), (100, 50)], False),
        ([(100, 50), (100, 50), (100, 50)], True),
        ([(10, 500), (100, 50), (109, 53), (105, 54)], True),
        ([(100, 50), (100, 50), (112, 50)], False),
        ([(100, 50), (100, 50), (100, 56)], False),
        ([(100, 0.5), (100, 1.9), (100, 0.9)], True),
        ([(100, None), (100, 50), (100, 50)], False),
    ],
)
def test_three_windows_in_a_row_are_alike(figures, steady):
    assert is_steady(windows(*figures)) == steady


def test_a_page_that_gets_faster_is_warming_and_says_how():
    why = still_warming(windows((20, 90), (50, 80), (80, 60), (130, 40)))
    assert "still getting faster" in why
    assert "20, 50, 80, 130" in why


@pytest.mark.parametrize(
    "figures",
    [
        [(100, 50)] * 4,
        [(100, 50), (140, 30), (90, 60), (120, 40)],
        [(130, 40), (80, 60), (50, 80), (20, 90)],
        [(10, 90), (50, 80)],
    ],
)
def test_what_varies_or_gets_slower_is_no_excuse(figures):
    assert still_warming(windows(*figures)) == ""
