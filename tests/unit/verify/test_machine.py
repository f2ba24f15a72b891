"""How busy this machine's processors are, from the kernel's own account."""

from __future__ import annotations

import pytest

from deployer.verify.machine import Processors


def account(path, *, busy, idle):
    path.write_text(
        "cpu  9 9 9 9 9 9 9 0 0 0\n"
        "cpu0 0 0 0 0 0 0 0 0 0 0\n"
        f"cpu1 {busy} 0 0 {idle} 0 0 0 0 0 0\n"
        "cpu10 70000 0 0 0 0 0 0 0 0 0\n"
    )


def test_only_the_named_processors_count_and_only_since_the_last_question(tmp_path):
    stat = tmp_path / "stat"
    account(stat, busy=1000, idle=1000)
    processors = Processors([1], stat)
    account(stat, busy=1030, idle=1070)
    assert processors.busy_share() == pytest.approx(0.30)
    account(stat, busy=1130, idle=1070)
    assert processors.busy_share() == pytest.approx(1.0)


def test_without_processors_or_without_time_nothing_is_said(tmp_path):
    stat = tmp_path / "stat"
    account(stat, busy=1, idle=1)
    assert Processors([1], stat).busy_share() is None
    assert Processors([], stat).busy_share() is None
