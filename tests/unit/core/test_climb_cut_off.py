"""A climb's transaction that is cut off: what the host does about it is over before anybody looks at it again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from deployer.climb import live
from deployer.climb.candidates import candidate
from deployer.errors import HostUnknown, RolledBack, UsageError
from deployer.inventory import Entry, load_inventory
from deployer.tasks.climbing import evidence

ROOT = Path(__file__).parents[3]
PINS = {"apps.blog.gunicorn.workers": 1}


@pytest.fixture(scope="module")
def entry() -> Entry:
    return load_inventory([ROOT / "inventories/example.yml"]).entry("blog1")


@dataclass
class Host:
    """What is asked of a host, in order; a transaction that is cut off leaves the candidate's files for a while."""

    fails: BaseException | None = None
    asked: list[str] = field(default_factory=list)
    files: str = "before"

    @contextmanager
    def session(self, entry: Entry, **_options: Any) -> Iterator[Any]:
        workers = getattr(entry.host.apps["blog"].run_by("gunicorn"), "workers", None)
        wanted = "candidate" if workers == 1 else "before"

        def plan() -> Any:
            self.asked.append(f"plan {wanted}")
            return SimpleNamespace(is_empty=self.files == wanted)

        def apply(_plan: Any, _say: Any, **_how: Any) -> None:
            self.asked.append(f"apply {wanted}")
            self.files = wanted
            if self.fails:
                error, self.fails = self.fails, None
                if isinstance(error, RolledBack):
                    self.files = "before"
                raise error

        def call(request: dict[str, Any], **_how: Any) -> dict[str, Any]:
            if request["op"] == "deadman":
                self.asked.append(f"wind {request['to']}" if request.get("to") else "leave")
                return {"wound": request.get("to")}
            self.asked.append(request["op"])
            self.files = "before"
            return {"settled": []}

        agent = SimpleNamespace(call=call)
        yield SimpleNamespace(plan=plan, apply=apply, agent=agent, last_transaction="t1")


def cut_off(entry: Entry, error: BaseException, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    host = Host(error)
    monkeypatch.setattr(live, "session", host.session)
    with live.LiveHost(entry, 1.0, lambda *_: None) as climbed:
        assert climbed.is_as_declared(candidate(entry, {}))
        with pytest.raises(type(error)):
            climbed.become(candidate(entry, PINS))
        assert not climbed.become(candidate(entry, {})), "it was back by itself"
        climbed.leave()
    assert host.files == "before"
    return host.asked


def test_what_was_cut_off_is_settled_before_the_host_is_looked_at(
    entry: Entry, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = cut_off(entry, KeyboardInterrupt(), monkeypatch)
    tried = ["plan before", "plan candidate", "wind t1", "apply candidate"]
    assert asked == [*tried, "recover", "plan before", "leave"]


def test_what_the_host_took_back_is_settled(entry: Entry, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = cut_off(entry, RolledBack("the probe failed"), monkeypatch)
    assert asked == ["plan before", "plan candidate", "wind t1", "apply candidate", "plan before", "leave"]


def test_a_file_that_cannot_be_written_does_not_hide_what_the_host_runs(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    lost = tmp_path / "file" / "evidence.json"
    with pytest.raises(HostUnknown, match="could not be brought back"), evidence(lost, dict):
        raise HostUnknown("the host could not be brought back")
    with pytest.raises(UsageError), evidence(lost, dict):
        pass
    with pytest.raises(KeyboardInterrupt), evidence(tmp_path / "evidence.json", lambda: {"ended": "interrupted"}):
        raise KeyboardInterrupt
    assert "interrupted" in (tmp_path / "evidence.json").read_text()
