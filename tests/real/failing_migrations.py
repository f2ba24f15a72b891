"""A release whose migration fails behind its first step, and what has to be so afterwards."""

from __future__ import annotations

from collections.abc import Callable

from example_on_vps import Example, ExampleVisitors


def assert_it_is_taken_back(
    example: Example, migration: str, content: Callable[[], str], write: Callable[[str], int]
) -> None:
    """Deploy a release with such a migration; visitors read all the time.

    Args:
        example: Its app is called as its package is.
        migration: The release's migrate.py; it makes a table `first_step`, and says that the second step is wrong.
        content: Tells all that the database holds.
        write: Writes a text as a visitor.
    """
    migrate = example.source / example.app / "migrate.py"
    text = migrate.read_text()
    before = content()
    migrate.write_text(migration)
    try:
        with ExampleVisitors(example) as visitors:
            done = example.deploy(code=5)
        visitors.assert_never_failed()
    finally:
        migrate.write_text(text)
    assert content() == before
    assert f"the database {example.app} was restored from the dump taken before its migration" in done.stderr
    assert "the second step is wrong" in done.stderr
    failed = example.sh("ls /var/lib/deployer/dumps/*.failed.gz | tail -1")
    assert failed in done.stderr
    assert example.sh(f"gzip -dc {failed} | grep -c first_step") != "0"
    assert write("after it") in (201, 302, 303)
    assert "no change" in example.deploy().stdout
