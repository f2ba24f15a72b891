"""Applying a plan: everything it names goes to the agent in one request; the answer is committed, or an error."""

from __future__ import annotations

import getpass
import io
import socket
import tarfile
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from secrets import token_hex
from typing import Any

from deployer.confirmation import Anew, Confirmation
from deployer.errors import RolledBack
from deployer.plan import Plan
from deployer.secret import Secret
from deployer.transport import Agent

#: A first deploy on a slow link and a slow disk, s.
TIMEOUT_S = 3600.0


@dataclass(frozen=True, slots=True)
class Applied:
    """A committed transaction.

    Attributes:
        transaction: Its name, under which the host keeps its record.
        steps: What was done, each with its duration in ms.
        notes: What the host could not do, though the deploy is live: a setting that its kernel refused. And how each
            database stands that a migration changed.
    """

    transaction: str
    steps: tuple[Mapping[str, Any], ...]
    notes: tuple[str, ...] = ()


def apply(
    agent: Agent,
    plan: Plan,
    fetched: Mapping[str, bytes],
    on_step: Callable[[str, str], None],
    *,
    anew: Anew,
    wait_s: float = 0.0,
    secrets: Mapping[str, Secret] | None = None,
    trial_of: str | None = None,
) -> Applied:
    """Make the host what the plan says, or leave it as it was.

    Args:
        agent: A running agent on the host that the plan was made for.
        plan: A plan that is not empty.
        fetched: Packed packages for the apps whose environment has to be made: wheels, or a node_modules. The host
            fetches wheels itself that are not there.
        on_step: Gets step and message as they come.
        anew: Logs in once more and starts an agent there (``Remote.anew``): wanted where the plan changes what leads
            to the host.
        wait_s: How long to wait for another deploy that is at work on the host, s.
        secrets: Values of secrets from outside, by their paths on the host; only those of the plan are sent.
        trial_of: The transaction that a trial leaves for a while; the host's dead man's switch takes back trials alone.

    Raises:
        DeployerError: Of the class that says what the host's state is.
    """
    name = transaction_name()
    confirmation = Confirmation(anew, name, float(plan.document.get("confirm_s", 0)))
    document = dict(plan.document)
    document["releases"] = [_with_packages(release, fetched) for release in document["releases"]]
    blobs = {**plan.blobs, **{_packages_blob(app): packed for app, packed in fetched.items()}}
    request: dict[str, Any] = {"op": "apply", "transaction": name, "who": who(), "host": plan.host}
    request |= {"wait_s": wait_s, "plan": document, "trial_of": trial_of}
    # in the request and not beside the other files: those lie in temporary files on both sides, this in memory alone
    request["secrets"] = {path: (secrets or {})[path].reveal() for path in plan.given_secrets}

    def on_event(event: Mapping[str, Any]) -> None:
        if event.get("event") == "step":
            on_step(str(event.get("step", "")), str(event.get("message", "")))
            if event.get("step") == "confirm" and not confirmation.tried and not confirmation.give():
                agent.send_stop()  # so that it returns at once

    with tempfile.TemporaryFile() as packed:
        _pack(blobs, packed)
        packed.seek(0)
        try:
            answer = agent.call(request, packed, on_event, timeout_s=TIMEOUT_S + wait_s)
        except RolledBack as error:
            raise confirmation.explained(error) from error
    return Applied(str(answer["transaction"]), tuple(answer["steps"]), tuple(answer["notes"]))


def transaction_name() -> str:
    """Name a transaction so that names sort by time and never collide."""
    return time.strftime("%Y%m%dt%H%M%S", time.gmtime()) + "-" + token_hex(3)


def who() -> str:
    """Name the person and the machine for the host's record."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in some containers
        name = "unknown"
    return f"{name}@{socket.gethostname()}"


def _with_packages(release: Mapping[str, Any], fetched: Mapping[str, bytes]) -> dict[str, Any]:
    environment = release["environment"]
    if environment is None or release["app"] not in fetched:
        return dict(release)
    key = "wheels_blob" if environment["kind"] == "python" else "blob"
    return {**release, "environment": {**environment, key: _packages_blob(release["app"])}}


def _packages_blob(app: str) -> str:
    return f"{app}.packages"


def _pack(blobs: Mapping[str, bytes], stream: Any) -> None:
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, data in sorted(blobs.items()):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o600
            archive.addfile(entry, io.BytesIO(data))
