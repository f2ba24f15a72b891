"""The series that a suite is said to bring are those that its packages are of."""

from __future__ import annotations

import re

import pytest

from deployer.sandbox import SUITES, Inside

pytestmark = pytest.mark.real


@pytest.mark.parametrize("release", SUITES)
def test_its_packages_are_of_the_series_that_are_said(place: Inside, release: str):
    said = place.check(["dpkg-query", "-W", "-f", "${Package} ${Version}\n", *SUITES[release].packages])
    versions = dict(line.split() for line in said.splitlines())
    for package, series in SUITES[release].packages.items():
        assert re.match(rf"(\d+:)?{re.escape(series)}[.+~-]", versions[package]), versions
