"""Is the version that would come of the release series that is declared?"""

import pytest

from deployer.agent import packages


@pytest.mark.parametrize(
    ("version", "series", "is_of"),
    [
        ("1.30.6-2", "1.30", True),
        ("1.30.6-2", "1.3", False),
        ("1:11.8.6-0+deb13u1", "11.8", True),
        ("1:11.8.6-0+deb13u1", "1", False),  # its epoch is no part of it
        ("5:8.0.6-3", "8", True),
        ("24.22.2+dfsg+~cs24.19.2-1", "24", True),
        ("17+278", "17", True),
        ("9.7.4-2", "9.7", True),
        ("9.7~rc1-1", "9.7", True),
        ("9.70.1-2", "9.7", False),
        ("9.7", "9.7", True),
    ],
)
def test_a_version_is_of_its_series_alone(version, series, is_of):
    assert packages._is_of(version, series) is is_of
