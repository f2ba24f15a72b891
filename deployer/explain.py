"""Where a number comes from: followed back, input by input, to the hardware, the declaration and measured constants.

``explain(budget, declaration, path)`` gives a tree. Paths are those of ``Derived.inputs``:

- ``TAKER.NAME``: a number of the budget; ``limits.NAME``, ``disk.NAME``: what a resource carries or is filled with;
- ``chain.TAKER.NAME``: a link of the chain of connections as it was before memory was given away;
- ``ledger.TAKER``: its memory; below it ``ledger.TAKER.floor`` and ``ledger.TAKER.share``, and where that comes from:
  ``remainder_mib``, ``usable_mib``, ``reserves.NAME``;
- ``hardware...``, ``target...``, ``apps...``, ``services...``, ``unmanaged_mib``: what the inventory says;
- ``priors.NAME`` or ``priors.NAME.KEY``: a measured constant or a policy, with its source.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel

from deployer.budget import STEP_MIB, HostBudget
from deployer.catalog import SERVICES
from deployer.declaration import Declaration
from deployer.errors import DeployerError, UsageError
from deployer.numbers import Derived
from deployer.priors import PRIORS, prior

#: Roots of what the inventory says.
DECLARED_ROOTS = ("hardware", "target", "apps", "services", "unmanaged_mib")
#: Roots of all that are no numbers of a taker.
_OTHER_ROOTS = (*DECLARED_ROOTS, "ledger", "priors", "reserves", "usable_mib", "remainder_mib")
#: First parts of paths that no app may be called.
ROOTS = (*_OTHER_ROOTS, "limits", "disk", "chain")
#: Units by the ends of names, the longest first.
_UNITS = {
    "_mbit_per_s": "Mbit/s",
    "_gb_per_month": "GB a month",
    "_per_s": "per s",
    "_mib": "MiB",
    "_kib": "KiB",
    "_gib": "GiB",
    "_ms": "ms",
    "_s": "s",
    "_cores": "cores",
    "connections": "connections",
}

Where = Callable[[tuple[str | int, ...]], str]


@dataclass(frozen=True, slots=True)
class Step:
    """One number on the way back.

    Attributes:
        path: Its name.
        value: Its value; None where the inventory leaves it out.
        unit: Unit of the value, empty for a plain count.
        provenance: ``pinned``, ``derived``, ``default``; ``declared`` in the inventory; ``prior``: a constant of ours;
            ``measured, DATE``: on this host, in the place of a setting that is left out or of a constant;
            ``part``: one part of a floor.
        because: The arithmetic or the reason, in words.
        where: File and line of the inventory, if it stands there.
        inputs: What it is worked out from.
    """

    path: str
    value: int | float | str | bool | None
    unit: str
    provenance: str
    because: str
    where: str = ""
    inputs: tuple[Step, ...] = ()


def explain(budget: HostBudget, declaration: Declaration, path: str, *, where: Where = lambda _: "") -> Step:
    """Follow one number back.

    Args:
        budget: The budget that it stands in.
        declaration: The host that the budget was made for.
        path: Its name, or the end of it if that is the only such: ``innodb_buffer_pool_size``.
        where: Says in which file and line something of the host's entry stands, given the way to it; empty if nowhere.

    Returns:
        The number, and below it all that it comes from.

    Raises:
        UsageError: There is no such number, or there are several; the text has the nearest or all of them.
    """
    return _Walk(budget, declaration, where).step(resolve(budget, path), ())


def resolve(budget: HostBudget, path: str) -> str:
    """Find a number by its name or by the end of its name.

    Raises:
        UsageError: There is none, or more than one.
    """
    known = list(_names(budget))
    if path in known or path.partition(".")[0] in _OTHER_ROOTS:
        return path
    ends = [name for name in known if name.endswith(f".{path}")]
    if len(ends) == 1:
        return ends[0]
    if ends:
        raise UsageError(
            f"{path} is not one number, but {len(ends)}",
            where=f"--setting {path}",
            next_step=f"name one: {_some(ends)}",
        )
    short = {name.rpartition(".")[2]: name for name in known}
    near = get_close_matches(path, [*known, *short], n=1, cutoff=0.5)
    means = short.get(near[0], near[0]) if near else ""
    raise UsageError(
        f"{budget.host} has no number {path}" + (f"; did you mean {means}?" if means else ""),
        where=f"--setting {path}",
        next_step=f"deployer budget --host {budget.host} --numbers shows them all",
    )


def _names(budget: HostBudget) -> Iterable[str]:
    for taker, numbers in budget.numbers.items():
        yield from (f"{taker}.{name}" for name in numbers)
    yield from (f"ledger.{taker}" for taker in budget.grants)
    yield from (f"limits.{name}" for name in budget.limits)
    yield from (f"disk.{name}" for name in budget.disk)


def _some(names: list[str]) -> str:
    most = 12
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


class _Walk:
    """One way back; what several numbers come from is worked out once."""

    def __init__(self, budget: HostBudget, declaration: Declaration, where: Where) -> None:
        self._budget, self._declaration, self._where = budget, declaration, where
        self._found: dict[str, Step] = {}

    def step(self, path: str, above: tuple[str, ...]) -> Step:
        if path in above:
            raise DeployerError(f"a fault of ours: {' <- '.join((*above, path))} goes round in a circle")
        if path not in self._found:
            self._found[path] = self._make(path, (*above, path))
        return self._found[path]

    def _make(self, path: str, above: tuple[str, ...]) -> Step:
        root, _, rest = path.partition(".")
        if (number := self._number(root, rest)) is not None:
            of_chain = root == "chain" or self._budget.chain.numbers.get(path) is number
            inputs = self._steps(self._of_chain(number.inputs) if of_chain else number.inputs, above)
            where = inputs[0].where if number.provenance == "pinned" and inputs else ""
            return Step(path, number.value, number.unit, str(number.provenance), number.because, where, inputs)
        match root:
            case "ledger":
                return self._of_ledger(rest, above)
            case "remainder_mib" | "usable_mib" | "reserves":
                return self._of_memory(root, rest, above)
            case "priors":
                return self._of_priors(rest)
            case _ if root in DECLARED_ROOTS:
                return self._declared(path)
        raise DeployerError(f"a fault of ours: nothing is called {path}, which {' <- '.join(above[:-1])} names")

    def _number(self, root: str, rest: str) -> Derived | None:
        """Find a number of the budget; a taker's link that it has no setting of stands in the chain."""
        budget = self._budget
        tables = {"limits": budget.limits, "disk": budget.disk, "chain": budget.chain.numbers}
        if root in tables:
            return tables[root].get(rest)
        return budget.numbers.get(root, {}).get(rest) or budget.chain.numbers.get(f"{root}.{rest}")

    def _of_chain(self, paths: Iterable[str]) -> Iterable[str]:
        """Name links of the chain as such: it is made before memory is given, with the workers that are wanted."""
        links, numbers = self._budget.chain.numbers, self._budget.numbers
        for path in paths:
            taker, _, name = path.partition(".")
            settled = numbers.get(taker, {}).get(name)
            yield f"chain.{path}" if path in links and settled is not links[path] else path

    def _steps(self, paths: Iterable[str], above: tuple[str, ...]) -> tuple[Step, ...]:
        return tuple(self.step(path, above) for path in paths)

    def _of_ledger(self, rest: str, above: tuple[str, ...]) -> Step:
        taker, _, part = rest.partition(".")
        if taker not in self._budget.grants or part not in ("", "floor", "share"):
            raise UsageError(
                f"the ledger has no {rest}", next_step=f"ledger. and one of {', '.join(self._budget.grants)}"
            )
        grant, claim = self._budget.grants[taker], self._budget.claims[taker]
        path = f"ledger.{rest}"
        if part == "floor":
            parts = (Step(f"{path}: {name}", round(mib, 1), "MiB", "part", "") for name, mib in claim.parts.items())
            because = f"what it needs at its worst, rounded up to {STEP_MIB} MiB"
            inputs = (*parts, *self._steps(self._of_chain(claim.inputs), above))
            return Step(path, grant.fixed_mib, "MiB", "derived", because, "", inputs)
        if part == "share":
            together = sum(one.weight for one in self._budget.claims.values())
            cap = "" if claim.cap_mib is None else f"; it can use {claim.cap_mib} at the most"
            because = f"weight {claim.weight} of {together} in all{cap}: {claim.because}"
            return Step(path, grant.elastic_mib, "MiB", "derived", because, "", self._steps(["remainder_mib"], above))
        parts_of = [f"{path}.floor", f"{path}.share"] if claim.weight else [f"{path}.floor"]
        because = (
            f"floor {grant.fixed_mib} + share of the remainder {grant.elastic_mib}" if claim.weight else "its floor"
        )
        return Step(path, grant.memory_mib, "MiB", "derived", because, "", self._steps(parts_of, above))

    def _of_memory(self, root: str, rest: str, above: tuple[str, ...]) -> Step:
        budget = self._budget
        if root == "usable_mib":
            paths = ("hardware.memory_mib", "priors.usable_share")
            because = "what the kernel leaves of the memory"
            return Step(root, budget.usable_mib, "MiB", "derived", because, "", self._steps(paths, above))
        if root == "remainder_mib":
            floors = " + ".join(f"{taker} {grant.fixed_mib}" for taker, grant in budget.grants.items())
            because = f"usable {budget.usable_mib} - reserves {budget.reserved_mib} - floors ({floors})"
            reserves = (f"reserves.{reserve.name}" for reserve in budget.reserves)
            inputs = self._steps(("usable_mib", *reserves, *(f"ledger.{one}.floor" for one in budget.grants)), above)
            return Step(root, budget.remainder_mib, "MiB", "derived", because, "", inputs)
        reserve = next((one for one in budget.reserves if one.name == rest), None)
        if reserve is None:
            raise UsageError(
                f"there is no reserve {rest}", next_step=f"reserves: {', '.join(one.name for one in budget.reserves)}"
            )
        inputs = self._steps(reserve.inputs, above)
        return Step(f"reserves.{rest}", reserve.mib, "MiB", "derived", reserve.because, "", inputs)

    def _measured(self, path: str) -> Step | None:
        """Give what was measured on the host itself, if that is what counts."""
        measured = self._declaration.measured
        found = measured and measured.values.get(path)
        if not measured or not found:
            return None
        unit = next((unit for end, unit in _UNITS.items() if path.endswith(end)), "")
        where = f"measured/{measured.host}.yml"
        return Step(path, found.value, unit, measured.provenance, found.because, where)

    def _of_priors(self, rest: str) -> Step:
        if (measured := self._measured(f"priors.{rest}")) is not None:
            return measured
        name, _, key = rest.partition(".")
        if not hasattr(PRIORS, name):
            raise UsageError(f"there is no constant {name}", next_step="deployer/data/priors.json has them all")
        found = prior(name)
        value: float | str
        if not isinstance(found.value, Mapping):
            value = found.value
        elif key in found.value:
            value = found.value[key]
        else:
            value = ", ".join(f"{name}: {one:g}" for name, one in found.value.items())
        return Step(f"priors.{rest}", value, found.unit, "prior", found.source)

    def _declared(self, path: str) -> Step:
        """Read what the inventory says, or what was measured or a model says if it says nothing."""
        if (measured := self._measured(path)) is not None:
            return measured
        names = path.split(".")
        model: Any = self._declaration
        owner: Any = self._declaration
        for name in ["settings" if name == "services" and not n else name for n, name in enumerate(names)]:
            owner, model = model, _member(model, name)
        written = isinstance(owner, Mapping) or names[-1] in owner.model_fields_set
        field = None if isinstance(owner, Mapping) else type(owner).model_fields.get(names[-1])
        meaning = (field.description if field else None) or "as the inventory says"
        value = model if isinstance(model, int | float | str | bool | None) else _words(model)
        unit = next((unit for end, unit in _UNITS.items() if names[-1].endswith(end)), "")
        where = self._where(tuple(names)) if written else ""
        return Step(path, value, unit, "declared" if written else "default", meaning, where)


def _member(model: Any, name: str) -> Any:
    if isinstance(model, Mapping):
        if name in model:
            return model[name]
        of_service = next((one.settings for one in SERVICES if one.name == name and one.settings is not None), None)
        if of_service is not None:
            return of_service()
    elif isinstance(model, BaseModel) and name in type(model).model_fields:
        return getattr(model, name)
    raise UsageError(f"the inventory has no {name} there", next_step="deployer budget --numbers shows every number")


def _words(value: Any) -> str:
    return ", ".join(str(one) for one in value) if isinstance(value, tuple | list | Mapping) else "as declared"
