"""What is printed is printed as it is: words of a host, a page or a file are no styles, and end nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployer.climb import Decision, Outcome, Search, Trial
from deployer.inventory import load_inventory
from deployer.report.climb import print_outcome
from deployer.report.terminal import result_console, talk_console

ROOT = Path(__file__).parents[3]
ODD = "nginx: [emerg] bind() to [::]:80 failed, see [/var/log/nginx] :star:"


def test_consoles_print_what_they_get(capsys: pytest.CaptureFixture[str]) -> None:
    result_console().print(ODD, soft_wrap=True)
    talk_console().print(ODD, soft_wrap=True)
    assert [text.strip() for text in capsys.readouterr()] == [ODD, ODD]


def test_a_climb_is_told_whatever_a_host_said_of_a_candidate(capsys: pytest.CaptureFixture[str]) -> None:
    step = Search.of(load_inventory([ROOT / "inventories/example.yml"]).entry("blog1")).next()
    assert step is not None
    outcome = Outcome(trials=[Trial(step, (), Decision("drop", 0.0, None, f"refused: {ODD}"))])
    print_outcome(result_console(), outcome)
    said = " ".join(capsys.readouterr().out.split())
    assert all(word in said for word in ("[emerg]", "[::]:80", "[/var/log/nginx]", ":star:"))
