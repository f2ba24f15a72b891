"""Words and variables full of tricks on a real local VPS: programs get them as they were written, and no shell does."""

from __future__ import annotations

import json
from typing import Any

import pytest
from site_on_vps import Site

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(300)]

TRICKS = [
    'a" b', "a' b\" c", "{{ 7*7 }}", "{% for %}", "%n", "%%", "50%", "$HOME", "${HOME}", "$$", "$", ";", "| id", "#x",
    "$(touch /var/tmp/planted)", "`touch /var/tmp/planted`", "; touch /var/tmp/planted", "\\", "a\\", "\\n", "\\x41",
    " a ", "-rf", "--exec=/bin/sh", "+/bin/sh", "a\u2028b", "grüße 🦄", '"', "'", "x" * 900,
]  # fmt: skip
#: Writes down what it was given; then, as a migration, does the migration's work.
ECHO = """
import json, os, sys, time
variables = {name: text for name, text in os.environ.items() if name.startswith("TRICK_")}
told = {"argv": sys.argv[2:], "variables": variables}
with open(os.environ["STATE_DIRECTORY"] + "/told." + sys.argv[1], "w") as file:
    json.dump(told, file)
if sys.argv[1] == "worker":
    time.sleep(99999)
from blog import migrate
sys.argv = sys.argv[:1]
migrate.main()
"""


@pytest.fixture(scope="module")
def site(vps: Any, deployed: str, tmp_path_factory: pytest.TempPathFactory) -> Site:
    found = Site(vps("words", snapshot=deployed), tmp_path_factory.mktemp("site"))
    found.write()
    (found.source / "blog/echo.py").write_text(ECHO)
    return found


def test_every_word_arrives_as_it_was_written(site: Site) -> None:
    variables = {f"TRICK_{number}": trick for number, trick in enumerate(TRICKS)}
    site.write(
        apps__blog__environment=variables,
        apps__blog__database__migrate=["python", "-m", "blog.echo", "migrate", *TRICKS],
        apps__blog__background={
            "echo": {"command": ["python", "-m", "blog.echo", "worker", *TRICKS], "memory_mib": 32},
        },
    )
    site.deploy()
    for who in ("migrate", "worker"):
        told = json.loads(site.host.sh(f"cat /var/lib/app-blog/told.{who}"))
        assert told == {"argv": TRICKS, "variables": variables}, who
    running = site.host.sh("tr '\\0' '\\n' < /proc/$(systemctl show -P MainPID app-blog)/environ").split("\n")
    assert {line for line in running if line.startswith("TRICK_")} == {
        f"{name}={one}" for name, one in variables.items()
    }
    assert site.host.sh("ls /var/tmp/planted /var/tmp/systemd-private-*/tmp/planted 2>/dev/null; true") == ""
    assert site.run("plan", "--detailed-exitcode").returncode == 0
