"""The agent's error answer becomes the exception whose exit code says the host's state."""

import pytest

from deployer import errors
from deployer.transport.outcome import error_from, link_lost


def error(op="apply", **document):
    return error_from({"kind": "fault", "message": "it failed", **document}, op=op, place="root@blog1")


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("lock", errors.LockHeld),
        ("outdated", errors.PlanOutdated),
        ("validation", errors.ValidationFailed),
        ("preparation", errors.PreparationFailed),
        ("activation", errors.PreparationFailed),
        ("probe", errors.PreparationFailed),
        ("disk_full", errors.PreparationFailed),
        ("unsupported", errors.FactsMismatch),
        ("fault", errors.AgentError),
        ("news", errors.AgentError),
    ],
)
def test_untouched_is_always_exit_code_4(kind, expected):
    found = error(kind=kind, state="untouched")
    assert type(found) is expected
    assert found.exit_code == 4


@pytest.mark.parametrize("kind", ["lock", "activation", "probe", "fault", "news"])
def test_the_state_outweighs_the_kind(kind):
    assert type(error(kind=kind, state="restored")) is errors.RolledBack
    assert type(error(kind=kind, state="unknown")) is errors.HostUnknown


@pytest.mark.parametrize("state", [None, "", "fine", 7, ["untouched"]])
def test_a_state_that_is_none_is_unknown_for_an_apply_only(state):
    assert type(error(state=state)) is errors.HostUnknown
    assert type(error(op="observe", state=state)) is errors.AgentError


def test_step_detail_and_next_reach_the_reader():
    text = error(state="restored", step="gate", detail="line 1\nline 2", next="look at it").diagnostics()
    assert "step gate" in text
    assert "  | line 1\n  | line 2" in text
    assert "next:  look at it" in text


def test_an_unknown_state_always_says_what_to_do():
    assert "deployer deploy" in error(state="unknown").next_step


def test_what_a_host_says_cannot_drive_the_terminal_or_fill_it():
    found = error(state="untouched", message="\x1b[2Jgone\x07\u202e", detail="x\n" * 100_000)
    assert "\x1b" not in str(found)
    assert "\u202e" not in str(found)
    assert len(str(found)) < 20_000


@pytest.mark.parametrize("document", [{}, {"message": None, "state": "untouched"}, {"message": 7, "detail": {}}])
def test_a_document_without_its_parts_is_an_error_all_the_same(document):
    assert isinstance(error_from(document, op="observe", place="h"), errors.DeployerError)


def test_a_link_lost_in_an_apply_says_when_the_host_returns_and_how_to_see_it():
    found = link_lost("the connection was lost", return_after_s=120, place="root@blog1")
    assert found.exit_code == 6
    assert "by itself" in found.message
    assert "120 s" in found.message
    assert "deployer plan" in found.next_step
