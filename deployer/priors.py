"""Measured constants, in one place: what the formulas of the budget are fed with.

Each has its source in ``data/priors.json``: what was measured, on which version, when; or that it is a policy.
A host's own measurements will replace them (calibration); until then they are priors, and shown as such.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources


@dataclass(frozen=True)
class Priors:
    """The constants by name; units are in the names. MiB and KiB are binary."""

    usable_share: float
    system_fixed_mib: int
    system_share: float
    page_cache_share: float
    safety_share: float
    deploy_work_mib: int
    nginx_master_mib: float
    nginx_worker_mib: float
    nginx_connection_tls_kib: float
    nginx_connection_plain_kib: float
    nginx_slot_kib: float
    socket_kib: float
    mariadb_fixed_mib: Mapping[str, float]
    mariadb_connection_mib: float
    mariadb_pool_floor_mib: int
    mariadb_pool_overhead_share: float
    mariadb_pool_overhead_beyond_mib: int
    gunicorn_master_mib: float
    gunicorn_worker_mib: float
    upload_mib: float
    cached_req_per_s_per_core: int

    @staticmethod
    def load() -> Priors:
        """Read the shipped data file."""
        text = resources.files("deployer.data").joinpath("priors.json").read_text(encoding="utf-8")
        return Priors(**{name: entry["value"] for name, entry in json.loads(text).items()})


PRIORS = Priors.load()
