"""What holds of every example app with a server of its own, whichever that is."""

from __future__ import annotations

from example_on_vps import Example, ExampleVisitors, answers_under_load, eventually, out_of_memory


def assert_nothing_changes_again_and_little_is_exposed(example: Example, unit: str) -> None:
    """Deploy again, and look at what the host offers to a burglar: nothing listens but ssh and nginx."""
    assert "no change" in example.deploy().stdout
    assert example.run("plan", "--detailed-exitcode").returncode == 0
    assert example.exposure(unit) <= 2.5
    assert example.exposure(f"app-{example.app}.service") <= 2.0
    assert example.sh("ss -Hltn | grep -v ':22 \\|:80 '; true") == ""


def assert_answers_under_load(example: Example, unit: str) -> None:
    assert answers_under_load(example) > 100
    assert example.sh(f"systemctl show -p NRestarts --value {unit} app-{example.app}").split() == ["0", "0"]


def assert_a_killed_server_comes_back(example: Example, unit: str) -> None:
    before = example.main_pid(unit)
    example.sh(f"kill -KILL {before}")
    assert eventually(lambda: example.main_pid(unit) not in (0, before))
    assert eventually(lambda: example.status("/healthz") == 200)


def assert_an_app_out_of_memory_leaves_the_server_alone(example: Example, unit: str) -> None:
    before = example.main_pid(unit)
    out_of_memory(example)
    assert eventually(lambda: example.status("/healthz") == 200)
    assert example.main_pid(unit) == before


def assert_a_refused_config_goes_unnoticed(example: Example, unit: str, template: str, line: str, why: str) -> None:
    """Add a line to a config that the server refuses: the deploy says why, and visitors see nothing of it."""
    before = example.main_pid(unit)
    with example.overriding(template, line), ExampleVisitors(example) as visitors:
        done = example.deploy(code=4)
    visitors.assert_never_failed()
    assert why in done.stderr, done.stderr
    assert example.main_pid(unit) == before
    assert "no change" in example.deploy().stdout
