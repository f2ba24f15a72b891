"""The plan of the way back, as the host made it from its own record, for people to read before it is applied."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deployer.plan.changes import Change, Plan, Verb
from deployer.plan.desired import Item
from deployer.plan.difference import difference, text_of
from deployer.plan.reach import to_be_confirmed
from deployer.plan.units import how_it_is_tried

ACTIONS: Mapping[str, Verb] = {"start": "start", "restart": "restart", "reload": "reload"}


def back_plan(host: str, answer: Mapping[str, Any]) -> Plan:
    """Give the plan that goes back to an earlier transaction.

    Args:
        host: The host's name.
        answer: The agent's answer to ``back``.
    """
    document, texts = to_be_confirmed(answer["plan"]), answer["texts"]
    changes = [_file(entry, texts.get(entry["path"], {})) for entry in document["files"]]
    changes += [Change("sysctl", "change", entry["name"], entry["value"]) for entry in document["sysctls"]]
    changes += [_unit(entry) for entry in document["activations"]]
    return Plan(host, tuple(changes), document, {}, (), tuple(answer["notes"]))


def _file(entry: Mapping[str, Any], texts: Mapping[str, str | None]) -> Change:
    content = text_of({"content": texts.get("then")})
    item = Item(entry["path"], entry["after"], None if content is None else content.encode(), (), ())
    return difference(item, {**entry["before"], "content": texts.get("now")})


def _unit(entry: Mapping[str, Any]) -> Change:
    if entry["kind"] == "stop":
        return Change("unit", "stop", entry["unit"], "was not there then; its data is kept")
    if entry["kind"] == "candidate":
        return Change("release", "try", entry["unit"], how_it_is_tried(entry))
    return Change("unit", ACTIONS[entry["action"]], entry["unit"])
