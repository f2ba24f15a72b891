"""Measured constants, in one place: what the formulas of the budget are fed with.

Each has its source in ``data/priors.json``: what was measured, on which version, when; or that it is a policy.
A host's own measurements will replace them (calibration); until then they are priors, and shown as such.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any


@dataclass(frozen=True, slots=True)
class Prior:
    """One constant with its unit and where it comes from."""

    value: float | Mapping[str, float]
    unit: str
    source: str


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
    mariadb_open_table_kib: float
    mariadb_performance_schema_mib: Mapping[str, float]
    mariadb_performance_schema_large_mib: float
    mysql_fixed_mib: Mapping[str, float]
    mysql_connection_mib: float
    mysql_open_table_kib: float
    mysql_performance_schema_mib: Mapping[str, float]
    mysql_performance_schema_large_mib: float
    innodb_pool_floor_mib: int
    innodb_pool_overhead_share: float
    innodb_pool_overhead_beyond_mib: int
    postgresql_fixed_mib: Mapping[str, float]
    postgresql_backend_mib: float
    postgresql_work_areas: int
    postgresql_buffers_floor_mib: int
    postgresql_buffers_share: float
    postgresql_datadir_mib: int
    redis_fixed_mib: float
    redis_client_kib: float
    redis_cache_floor_mib: int
    redis_memory_share: float
    redis_copy_share: float
    gunicorn_master_mib: float
    gunicorn_worker_mib: float
    asgi_worker_mib: float
    asgi_request_kib: float
    node_beside_mib: float
    node_semi_space_mib: Mapping[str, float]
    node_old_space_floor_mib: float
    pm2_daemon_mib: float
    java_native_mib: float
    java_heap_floor_mib: float
    java_metaspace_mib: float
    java_class_kib: float
    java_classes: int
    java_code_cache_mib: float
    java_direct_mib: float
    java_stack_kib: float
    java_own_threads: int
    java_headroom_share: float
    java_g1_share: float
    go_floor_mib: float
    upload_mib: float
    cached_req_per_s_per_core: int
    disk_system_mib: int
    disk_system_share: float
    python_environment_mib: int
    node_modules_mib: int
    release_mib: int
    mariadb_datadir_mib: int
    temporary_table_disk_mib: int

    @staticmethod
    def load() -> Priors:
        """Read the shipped data file."""
        return Priors(**{name: entry["value"] for name, entry in _entries().items()})


@cache
def _entries() -> Mapping[str, Any]:
    text = resources.files("deployer.data").joinpath("priors.json").read_text(encoding="utf-8")
    entries: Mapping[str, Any] = json.loads(text)
    return entries


def prior(name: str) -> Prior:
    """Give one constant with its source; KeyError is a fault of ours, not of the user."""
    return Prior(**_entries()[name])


PRIORS = Priors.load()
