"""A pin set as an inventory entry: of the same strict form, free of contradictions, within the one budget. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from deployer.allocate import allocate
from deployer.budget import HostBudget
from deployer.contradictions import contradictions
from deployer.errors import BudgetError
from deployer.inventory import Entry
from deployer.inventory.models import HostForm

Pins = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A host with some settings pinned, and the budget that follows.

    Attributes:
        entry: The entry as it would be with these pins in the inventory.
        pins: The pins, by where they stand in the host's entry.
        budget: Its budget; it fits.
    """

    entry: Entry
    pins: Pins
    budget: HostBudget


def candidate(entry: Entry, pins: Pins) -> Candidate:
    """Pin settings of a host.

    Args:
        entry: The host as the inventory has it.
        pins: Settings by path: ``apps.blog.gunicorn.workers``.

    Raises:
        BudgetError: It would not fit, or contradicts what else the inventory says; the first line says why.
    """
    written: dict[str, Any] = entry.host.model_dump(mode="json", exclude_unset=True)
    for path, value in pins.items():
        *parents, last = path.split(".")
        place = written
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = value
    try:
        pinned = replace(entry, host=HostForm.model_validate_json(json.dumps(written)))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise BudgetError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    for where, message in contradictions(pinned.declaration):
        raise BudgetError(f"{'.'.join(map(str, where))}: {message}")
    return Candidate(pinned, dict(pins), allocate(pinned.declaration))
