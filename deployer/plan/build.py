"""Building the plan: each kind of thing that is wanted, held against the host's answer."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Any

from deployer.budget import DEPLOY
from deployer.catalog import declared_series
from deployer.plan.changes import Change, Plan
from deployer.plan.desired import Item, PlacedRelease, items, placed, unit_hashes
from deployer.plan.difference import difference, stands, state_before
from deployer.plan.probes import candidate_of, probes_of, ready_of
from deployer.plan.reach import to_be_confirmed
from deployer.plan.sysctls import sysctl_changes
from deployer.plan.units import RUNS, unit_actions
from deployer.release import Release
from deployer.render import Rendered
from deployer.services.systemd.files import DEPLOY_SLICE

#: How long the probes must hold before a deploy is committed, s.
GATE_S = 4
#: The host returns by itself this long after the swap if nobody commits, s: the slowest migration has to fit in.
RETURN_AFTER_S = 300
#: Where the agent keeps what a deploy took the place of, below the path that it had.
FORMER = "/var/lib/deployer/former"

Observation = Mapping[str, Any]


def build_plan(
    rendered: Rendered, releases: Sequence[Release], seen: Observation, proofs: Mapping[str, str] | None = None
) -> Plan:
    """Say what a deploy would do.

    Args:
        rendered: What the host shall have.
        releases: The apps' sources.
        seen: The host's answer to ``questions``, which also asked about owned paths that are no longer wanted.
        proofs: What the host answers for each secret from outside, by its path, if it has the very same.

    Returns:
        A plan; empty if the host is as wanted.
    """
    wanted, own = rendered.wanted, placed(rendered, releases)
    kept_items = items(rendered, own, proofs)
    left_over = _left_over(_current(rendered, kept_items), seen)
    moved = [item for item in (*kept_items, *left_over) if not stands(item, seen["files"].get(item.path, {}))]
    changes: list[Change] = []
    blobs: dict[str, bytes] = {}

    packages = [name for name in dict.fromkeys(wanted.packages) if seen["packages"].get(name) is None]
    changes += [Change("package", "install", name) for name in packages]
    users = [user for user in wanted.users if not seen["users"].get(user.name)]
    changes += [Change("user", "add", user.name) for user in users]
    directories = [one for one in wanted.directories if not seen["paths"].get(one.path)]
    changes += [Change("directory", "create", one.path) for one in directories]
    secrets = [one for one in wanted.secrets if not one.source and not seen["paths"].get(one.path)]
    changes += [Change("secret", "create", one.path, "made on the host, never leaves it") for one in secrets]
    release_documents, release_changes, environments = _releases(own, seen, blobs)
    changes += release_changes
    changes += [difference(item, seen["files"].get(item.path, {})) for item in moved]

    sysctls, more, kernel_warnings = sysctl_changes(
        wanted.sysctls, seen.get("sysctls", {}), seen.get("set_sysctls", {})
    )
    changes += more
    hashes = {unit.unit: unit_hashes(unit.unit, kept_items) for unit in wanted.units}
    work_mib = _work_memory_mib(rendered, seen)
    activations, more = unit_actions(rendered, moved, hashes, seen, work_mib)
    changes += more

    of_the_system = {one["unit"] for one in activations if one["kind"] == "unit" and one["unit"] not in hashes}

    document = {
        "packages": packages,
        "series": {name: one for name, one in declared_series(rendered.declaration).items() if name in packages},
        "users": [{"name": user.name, "home": user.home} for user in users],
        "directories": [
            {"path": one.path, "mode": one.mode, "owner": one.owner, "group": one.group} for one in wanted.directories
        ],
        "secrets": [{"path": one.path, "bytes": one.random_bytes} for one in secrets],
        "work": {
            "slice": DEPLOY_SLICE,
            "memory_max_mib": work_mib,
        },
        "releases": release_documents,
        "files": [_file_document(number, item, seen, blobs, of_the_system) for number, item in enumerate(moved)],
        "validators": [
            {"name": one.name, "argv": list(one.argv), "allowed": list(one.allowed)} for one in wanted.validators
        ],
        "sysctls": sysctls,
        "sysctls_wanted": sorted({one.name for one in wanted.sysctls}),
        "activations": activations,
        "units": [
            {"unit": unit, "ready": ready_of(unit, rendered), "candidate": candidate_of(unit, rendered), **both}
            for unit, both in hashes.items()
        ],
        "probes": probes_of(rendered),
        "gate_s": GATE_S,
        "return_after_s": RETURN_AFTER_S,
        "last_transaction": seen.get("last_transaction"),
    }
    foreign = [item for item in moved if not item.source and _is_foreign(item, seen)]
    warnings = [*kernel_warnings, *(_takes_over(item) for item in foreign)]
    document = to_be_confirmed(document)
    return Plan(rendered.declaration.host, tuple(changes), document, blobs, environments, tuple(warnings))


def _is_foreign(item: Item, seen: Observation) -> bool:
    """Say whether there is something on the host that no deploy put there."""
    return seen["files"].get(item.path, {}).get("kind", "absent") != "absent" and item.path not in seen["owned"]


def _takes_over(item: Item) -> str:
    fate = "removed" if item.after["kind"] == "absent" else "replaced as a whole"
    text = f"{item.path} is not from deployer and will be {fate}; the former one is kept as {FORMER}{item.path}"
    return f"{text}; {item.takes_over}" if item.takes_over else text


def unwanted_paths(rendered: Rendered, releases: Sequence[Release], seen: Observation) -> list[str]:
    """List the paths that an earlier deploy owned and that are no longer wanted; they have to be asked about."""
    current = _current(rendered, items(rendered, placed(rendered, releases)))
    return sorted(path for path in seen.get("owned", {}) if path not in current)


def _current(rendered: Rendered, kept_items: Sequence[Item]) -> Container[str]:
    """Give the paths that stay: a secret whose source was taken away is kept as one of the host's own."""
    return {item.path for item in kept_items} | {secret.path for secret in rendered.wanted.secrets}


def _work_memory_mib(rendered: Rendered, seen: Observation) -> int:
    """Give one command of a deploy its own grant, and that of every service which does not run yet.

    A first deploy installs a database whose package starts the server to make its tables; the memory that the
    server will have later is free then. So it fits on every deploy, and a first one is not slowed down.
    """
    grants = rendered.budget.grants
    units = rendered.wanted.units
    running = {one.taker for one in units if seen["units"].get(one.unit, {}).get("active") in RUNS}
    idle = {one.taker for one in units} - running
    # a unit that is no process, such as a swap file's, was granted nothing
    return sum(grants[taker].memory_mib for taker in {DEPLOY, *idle} if taker in grants)


def _left_over(current: Container[str], seen: Observation) -> list[Item]:
    left = [path for path in seen.get("owned", {}) if path not in current]
    # nginx's own files are read again when one goes; a unit's file goes with its unit, which is stopped
    return [
        Item(path, {"kind": "absent"}, None, ("nginx.service",) if path.startswith("/etc/nginx/") else (), ())
        for path in sorted(left)
        if seen["files"].get(path, {}).get("kind", "absent") != "absent"
    ]


def _releases(
    own: Sequence[PlacedRelease], seen: Observation, blobs: dict[str, bytes]
) -> tuple[list[dict[str, Any]], list[Change], tuple[str, ...]]:
    documents: list[dict[str, Any]] = []
    changes: list[Change] = []
    environments: list[str] = []
    for one in own:
        if all(seen["paths"].get(mark) for mark in one.marks):
            continue
        app = one.release.app
        if one.has_environment and not seen["paths"].get(one.whole_mark):
            environments.append(app)
            because = f"{app}: {one.release.lock_path.name}"
            changes.append(Change("environment", "create", one.environment_path, because))
        changes.append(Change("release", "create", one.path, app))
        blobs[f"{app}.tree"] = one.release.tree
        document = {"app": app, "path": one.path, "blob": f"{app}.tree", "user": one.wanted.user}
        documents.append({**document, "environment": _environment(one, blobs)})
    return documents, changes, tuple(environments)


def _environment(one: PlacedRelease, blobs: dict[str, bytes]) -> dict[str, Any] | None:
    """Describe what a release needs besides its source; its packages are fetched, and named, only for an apply."""
    if one.wanted.packages == "python":
        blob = f"{one.release.app}.requirements"
        blobs[blob] = one.release.lock
        return {"kind": "python", "path": one.environment_path, "requirements_blob": blob, "wheels_blob": None}
    if one.wanted.packages == "node":
        return {"kind": "tree", "path": one.environment_path, "blob": None, "link": "node_modules"}
    return None


def _file_document(
    number: int, item: Item, seen: Observation, blobs: dict[str, bytes], of_the_system: Container[str]
) -> dict[str, Any]:
    after = dict(item.after)
    if item.content is not None:
        after["blob"] = f"file.{number}"
        after["secret"] = False
        blobs[after["blob"]] = item.content
    if item.source:
        after["source"] = item.source
    before = state_before(seen["files"].get(item.path, {}))
    # when our own units need one the host knows by their hashes; of the system's own, such as journald, it does not
    # and of a secret, whose value is in no hash
    needed = dict.fromkeys((*item.reloads, *item.restarts))
    restarts = [unit for unit in needed if item.source or unit in of_the_system]
    return {"path": item.path, "before": before, "after": after, "restarts": restarts}
