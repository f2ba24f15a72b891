"""Which wheels will do for a host: what it says of its C library is not trusted."""

import pytest

from deployer.wheels import _platforms


def test_every_c_library_up_to_the_host_s_newest_first():
    found = _platforms("2.19", "x86_64")
    assert found[:3] == ["manylinux_2_19_x86_64", "manylinux_2_18_x86_64", "manylinux_2_17_x86_64"]
    assert found[3:] == ["manylinux2014_x86_64", "linux_x86_64"]


def test_a_version_may_have_a_third_part():
    assert _platforms("2.36.9000", "aarch64")[0] == "manylinux_2_36_aarch64"


@pytest.mark.parametrize("glibc", ["2.999999999", "2", "2.x", "musl", "", "3.40"])
def test_what_is_no_version_is_the_oldest(glibc):
    assert _platforms(glibc, "x86_64")[0] == "manylinux_2_17_x86_64"
