"""The exception tree: exit codes are the host's state, and people are told both."""

import inspect

import pytest

from deployer import errors
from deployer.errors import DeployerError, InventoryError

KINDS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, DeployerError)]

#: As the design documents them: what the process exits with, and a word that the host's state must hold.
DOCUMENTED = {
    "DeployerError": (1, "unknown"),
    "UsageError": (2, "not contacted"),
    "InventoryError": (2, "not contacted"),
    "BudgetError": (3, "not contacted"),
    "RenderError": (3, "not contacted"),
    "HostUntouched": (4, "untouched"),
    "ConnectError": (4, "untouched"),
    "AuthError": (4, "untouched"),
    "SudoError": (4, "untouched"),
    "AgentError": (4, "untouched"),
    "LockHeld": (4, "untouched"),
    "FactsMismatch": (4, "untouched"),
    "PreparationFailed": (4, "untouched"),
    "ValidationFailed": (4, "untouched"),
    "PlanOutdated": (4, "untouched"),
    "RolledBack": (5, "restored"),
    "HostUnknown": (6, "UNKNOWN"),
    "VerificationFailed": (7, "live"),
    "HostKeyError": (8, "untouched"),
    "ChangedHostKeyError": (8, "untouched"),
    "Inconclusive": (9, "live"),
}


@pytest.mark.parametrize(("name", "expected"), DOCUMENTED.items())
def test_the_exit_code_is_the_documented_state_of_the_host(name, expected):
    kind = getattr(errors, name)
    assert kind.exit_code == expected[0]
    assert expected[1] in kind.host_state


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_has_a_docstring_a_state_and_an_exit_code_that_is_not_success(kind):
    assert kind.__doc__.strip()
    assert kind.host_state.strip()
    assert 1 <= kind.exit_code <= 9


@pytest.mark.parametrize("kind", KINDS)
def test_one_exit_code_means_one_thing(kind):
    """A state is told by the class that owns the code; a kind of it must not contradict it."""
    states = {other.host_state.split(":")[0] for other in KINDS if other.exit_code == kind.exit_code}
    assert len(states) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_diagnostics_say_what_and_in_which_state_the_host_is(kind):
    lines = kind("the door is shut").diagnostics().splitlines()
    assert lines[0] == "the door is shut"
    assert lines[-2] == f"  host:  {kind.host_state}"
    assert str(kind("the door is shut")) == "the door is shut"


def test_diagnostics_say_where_and_what_to_do_next():
    error = errors.ConnectError("no route", where="blog1, port 22", next_step="check the address")
    assert error.diagnostics().splitlines() == [
        "no route",
        "  where: blog1, port 22",
        "  host:  untouched: nothing that serves was changed",
        "  next:  check the address",
    ]


def test_an_empty_place_leaves_no_line():
    assert "where" not in errors.ConnectError("no route").diagnostics()


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_says_what_to_do_next(kind):
    assert kind("the door is shut").diagnostics().splitlines()[-1] == f"  next:  {kind.usual_next_step}"
    assert kind("the door is shut", next_step="knock").diagnostics().splitlines()[-1] == "  next:  knock"


def test_an_inventory_error_lists_every_problem():
    error = InventoryError("two faults", problems=["a.yml:1: x", "a.yml:2: y"])
    assert error.problems == ("a.yml:1: x", "a.yml:2: y")
    assert error.diagnostics().splitlines()[:3] == ["two faults", "  a.yml:1: x", "  a.yml:2: y"]


def test_an_inventory_error_says_what_to_do_next():
    assert "write one" in InventoryError("no inventory", next_step="write one").diagnostics()
