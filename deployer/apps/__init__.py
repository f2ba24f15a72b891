"""What every app has, whichever service runs it: places on the host, what it asks of memory, what it wants there."""

from __future__ import annotations

from deployer.apps.candidate import Candidate, candidate_numbers, candidate_of
from deployer.apps.claims import beside_inputs, beside_parts, long_lived_parts, upload_parts
from deployer.apps.databases import databases_taken
from deployer.apps.disk import dumps_on_disk, releases_on_disk
from deployer.apps.jobs import jobs_without_room
from deployer.apps.places import AppPlaces
from deployer.apps.processes import Processes, app_links
from deployer.apps.runby import apps_run_by
from deployer.apps.spool import JAVA_TEMPORARY, SPOOL, spools_into_memory
from deployer.apps.unit import UnitText, unit_numbers, unit_text
from deployer.apps.wanted import app_wanted

__all__ = [
    "JAVA_TEMPORARY",
    "SPOOL",
    "AppPlaces",
    "Candidate",
    "Processes",
    "UnitText",
    "app_links",
    "app_wanted",
    "apps_run_by",
    "beside_inputs",
    "beside_parts",
    "candidate_numbers",
    "candidate_of",
    "databases_taken",
    "dumps_on_disk",
    "jobs_without_room",
    "long_lived_parts",
    "releases_on_disk",
    "spools_into_memory",
    "unit_numbers",
    "unit_text",
    "upload_parts",
]
