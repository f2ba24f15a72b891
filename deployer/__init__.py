"""One budget for one small VPS: derived from its hardware, deployed as a transaction, proved under load.

The names below are what a program of your own begins with; README.md shows them at work, docs/architecture.md says in
which modules the rest is. Each raises DeployerError or one of its kinds (``deployer.errors``), and prints nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deployer.deploy import session
    from deployer.errors import DeployerError
    from deployer.inventory import load_inventory
    from deployer.proof import prove
    from deployer.record import on_record

__version__ = "0.1.0"
__all__ = ["DeployerError", "__version__", "load_inventory", "on_record", "prove", "session"]

#: Where the names are. They are imported once they are asked for: most of what they need, `deployer --help` does not.
_HOMES = {
    "DeployerError": "deployer.errors",
    "load_inventory": "deployer.inventory",
    "on_record": "deployer.record",
    "prove": "deployer.proof",
    "session": "deployer.deploy",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
