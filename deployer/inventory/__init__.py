"""Inventory: YAML files in, frozen models out, and every fault said with its file and line."""

from __future__ import annotations

from deployer.inventory.load import load_inventory
from deployer.inventory.models import Entry, Host, Inventory, Ssh

__all__ = ["Entry", "Host", "Inventory", "Ssh", "load_inventory"]
