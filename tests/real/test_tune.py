"""`tune` on a real local VPS: trials are transactions, evidence is written, and Ctrl-C brings the host back."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from typing import Any

import pytest
from site_on_vps import Site

pytestmark = [pytest.mark.real, pytest.mark.alone, pytest.mark.slow, pytest.mark.timeout(600)]

#: One page from the cache, short: what is under test is the way there and back, not the figures.
SLO = {"uncached_paths": ["/"], "uncached_headers": {"Cookie": "blog_session=nobodys-4711"}}
SLOW = """

@app.get("/slow")
async def slow(request: Request) -> Response:
    await site(request).db.rows("SELECT SLEEP(0.02)")
    return PlainTextResponse("slow", headers={"Cache-Control": PRIVATE})
"""
OPTIONS = ("--trials", "1", "--reading-s", "1")


@pytest.fixture(scope="module")
def site(vps: Any, deployed: str, tmp_path_factory: pytest.TempPathFactory) -> Site:
    found = Site(vps(snapshot=deployed), tmp_path_factory.mktemp("tune"), changes={"slo": SLO})
    found.write()
    found.deploy()
    return found


def changes(site: Site) -> list[Any]:
    return list(site.plan()["changes"])


def test_a_trial_goes_there_and_back_and_leaves_evidence(site: Site) -> None:
    done = site.run("tune", *OPTIONS, "--out", "evidence.json")
    assert done.returncode == 0, done.stderr
    document = json.loads((site.folder / "evidence.json").read_text())
    [trial] = document["trials"]
    assert [one["state"] for one in trial["readings"][:4]] == list("ABBA")
    assert trial["verdict"] in ("keep", "drop")
    assert document["left_as"] == "what it ran before"
    assert not changes(site)


def test_ctrl_c_in_the_middle_of_a_candidate_brings_the_host_back(site: Site) -> None:
    # a test run in the background ignores Ctrl-C, and so would its children
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with (site.folder / "talk").open("w") as talk:
        tuning = subprocess.Popen(
            site.argv("tune", "--trials", "1", "--reading-s", "20", "--out", "interrupted.json"),
            cwd=site.folder,
            env=site.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=talk,
        )
        try:
            wait_for(site, "gate ", tuning)
            time.sleep(6)  # the candidate is committed and being read
            assert changes(site)
            tuning.send_signal(signal.SIGINT)
            assert tuning.wait(120) == 130
        finally:
            tuning.kill()
    assert "to what the inventory says" in (site.folder / "talk").read_text()
    assert not changes(site)
    document = json.loads((site.folder / "interrupted.json").read_text())
    assert (document["ended"], document["left_as"]) == ("interrupted", "what it ran before")
    assert site.get()[0].status == 200


def test_a_host_that_is_not_as_declared_is_not_tuned(site: Site) -> None:
    site.write(apps__blog__cache_s=7)
    done = site.run("tune", *OPTIONS)
    assert done.returncode == 4
    assert "does not run what the inventory says" in done.stderr
    site.write()


def test_a_pool_that_is_too_small_is_found_and_the_pins_are_said(site: Site) -> None:
    """Its page waits 20 ms in the database: with one connection 50 pages/s, whatever else this machine does."""
    main = site.source / "blog/main.py"
    text = main.read_text()
    main.write_text(text + SLOW)
    site.write(
        apps__blog__gunicorn={"module": "blog.main:app", "pool_size": 1}, slo={**SLO, "uncached_paths": ["/slow"]}
    )
    site.deploy()
    done = site.run("tune", "--trials", "1", "--reading-s", "2", "--out", "small.json")
    assert done.returncode == 0, done.stderr
    document = json.loads((site.folder / "small.json").read_text())
    [trial] = document["trials"]
    assert trial["verdict"] == "keep", trial
    assert trial["gain"] - trial["noise"] > 0.05
    assert document["pins"] == {"apps.blog.gunicorn.workers": 2}
    assert "        workers: 2" in done.stdout
    assert not changes(site)
    main.write_text(text)


def wait_for(site: Site, words: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 180
    while words not in (site.folder / "talk").read_text():
        assert process.poll() is None, (site.folder / "talk").read_text()
        assert time.monotonic() < until, (site.folder / "talk").read_text()
        time.sleep(0.2)
