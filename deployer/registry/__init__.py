"""The registry of settings: what each release of a server knows, as data, and the judge that holds a config against it.

Pure but for reading its own data. The data is asked of the real binaries by ``python -m scripts.registry``; what could
not be asked is marked as not proven. ``guard`` is what every rendered file has to pass.
"""

from deployer.registry.finding import WRONG, Finding, Kind
from deployer.registry.guard import dialect_of, guard, split
from deployer.registry.judge import judge
from deployer.registry.known import Registry, Setting, order, registry

__all__ = [
    "WRONG",
    "Finding",
    "Kind",
    "Registry",
    "Setting",
    "dialect_of",
    "guard",
    "judge",
    "order",
    "registry",
    "split",
]
