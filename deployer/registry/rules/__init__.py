"""Rules over several settings: what each server makes of them together. One module for each dialect that has some."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from deployer.dialects import Statement
from deployer.registry.finding import Finding
from deployer.registry.known import Registry
from deployer.registry.rules import mycnf, nginx, unit

Rule = Callable[[Sequence[Statement], Registry, str], Iterable[Finding]]

RULES: Mapping[str, tuple[Rule, ...]] = {"mycnf": mycnf.RULES, "nginx": nginx.RULES, "unit": unit.RULES}
