"""A transaction that fails after a running server was set: the former values come back, or it is told that not."""

from __future__ import annotations

from typing import Any

import pytest

from deployer.errors import ConnectError, HostUnknown, RolledBack
from deployer.tunemysql import Set, _written

MADE = tuple(
    Set(setting=name, former=former, wanted="1", found="1", said="")
    for name, former in (("sort_buffer_size", "16777216"), ("max_connections", "150"))
)


class Host:
    """A host whose transaction ends with an error, and whose server may be asked afterwards, or not."""

    def __init__(self, fails: BaseException, then: BaseException | None = None) -> None:
        self.fails, self.then = fails, then
        self.given_back: list[tuple[str, str]] = []
        self.agent = self

    def apply(self, _plan: Any, _on_step: Any) -> Any:
        raise self.fails

    def call(self, request: dict[str, Any], **_how: Any) -> dict[str, Any]:
        if self.then:
            raise self.then
        self.given_back += [(one["name"], one["value"]) for one in request["settings"]]
        return {"set": [{**one, "former": "", "wanted": "", "found": "", "said": ""} for one in request["settings"]]}


def written(host: Host, made: tuple[Set, ...] = MADE) -> list[str]:
    said: list[str] = []
    _written(host, None, made, lambda _step, message: said.append(message))  # type: ignore[arg-type]  # a stand-in
    return said


def test_former_values_come_back_the_last_first() -> None:
    host = Host(RolledBack("the probe failed"))
    with pytest.raises(RolledBack):
        written(host)
    assert host.given_back == [("max_connections", "150"), ("sort_buffer_size", "16777216")]


def test_a_link_that_is_lost_does_not_say_that_the_host_is_untouched() -> None:
    host = Host(ConnectError("the connection was lost"), ConnectError("the agent's channel is closed"))
    with pytest.raises(HostUnknown, match=r"connection was lost\n.*sort_buffer_size, max_connections.*closed"):
        written(host)


def test_where_the_files_outcome_is_not_known_nothing_is_set() -> None:
    host = Host(HostUnknown("the outcome is not known here", next_step="wait"))
    with pytest.raises(HostUnknown, match="with what was set: sort_buffer_size") as raised:
        written(host)
    assert not host.given_back
    assert raised.value.next_step == "wait"


def test_ctrl_c_is_told_what_stays() -> None:
    said: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        _written(Host(KeyboardInterrupt()), None, MADE, lambda _step, message: said.append(message))  # type: ignore[arg-type]  # a stand-in
    assert "until its next start the server runs with what was set: sort_buffer_size, max_connections" in said[0]
