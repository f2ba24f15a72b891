"""What `calibrate` wrote beside the inventory: read, held against what is plausible, and laid under what users say.

`measured/HOST.yml` stands beside the inventory file of the host. Deleting it brings the constants back.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from deployer.declaration import Declaration
from deployer.errors import InventoryError
from deployer.inventory.problems import Problem, raise_if_any
from deployer.inventory.tree import load_tree, validate
from deployer.measured import Measured, Measurement
from deployer.priors import PRIORS

FOLDER = "measured"
#: What a light load shows of a worker is what it holds, so that may be less than the constant, but not than this part.
LEAST_SHARE = 0.5
#: What a request adds at its worst no light load shows: a measurement can only make it more.
NEVER_LESS = 1.0
#: Beyond so many times its constant a number is taken for a fault of the measurement.
MOST_TIMES = 16.0
#: The processor's constant is a bound that every host keeps; a quick one carries several times as much.
SLOWEST_SHARE, FASTEST_TIMES = 0.1, 4.0
#: Milliseconds of a request have no constant, only what the inventory itself takes.
LEAST_MS, MOST_MS = 0.001, 600_000.0


def measured_path(folder: Path, host: str) -> Path:
    """Say where a host's measurements stand, given the folder of its inventory file."""
    return folder / FOLDER / f"{host}.yml"


def read_measured(folder: Path, host: str, declaration: Declaration) -> Measured | None:
    """Read a host's measurements; None: it was never measured.

    Args:
        folder: Folder of the inventory file.
        host: Name of the entry.
        declaration: What the inventory says of the host, without measurements.

    Raises:
        InventoryError: The file is not what `calibrate` writes, or is about something else than now runs there.
    """
    path = measured_path(folder, host)
    try:
        if not path.exists():
            return None
    except OSError as error:
        raise InventoryError(f"{path} cannot be looked for: {error.strerror}", where=str(path)) from error
    tree = load_tree([path])
    try:
        found = validate(Measured, tree)
        raise_if_any(
            Problem(*tree.position(place, key=True), place, message)
            for place, message in faults(found, host, declaration)
        )
    except InventoryError as error:
        raise InventoryError(
            error.message,
            problems=error.problems,
            where=str(path),
            next_step=f"measure again (deployer calibrate --host {host}), or delete the file: then constants count",
        ) from error
    return found


def faults(measured: Measured, host: str, declaration: Declaration) -> Iterator[tuple[tuple[str, ...], str]]:
    """Find what cannot be reckoned with."""
    if measured.host != host:
        yield ("host",), f"these are measurements of {measured.host}"
    for name, runner in measured.runs.items():
        now = runs_by(declaration, name)
        if now != runner:
            yield ("runs", name), f"measured with {runner}; the inventory has {now or 'no such app'} now"
    for place, one in measured.values.items():
        found = bounds(declaration, place)
        if found is None:
            yield ("values", place), "this is no number that can be measured here"
        elif not found[0] <= one.value <= found[1]:
            yield ("values", place), f"{one.value:g} is not within {found[0]:g} and {found[1]:g}"


def runs_by(declaration: Declaration, app: str) -> str:
    """Say what runs an app, as measurements name it: gunicorn uvicorn_worker.UvicornWorker; empty: there is none."""
    if app not in declaration.apps:
        return ""
    found = declaration.apps[app]
    runner = next(iter(found.runners), "")
    return " ".join(filter(None, (runner, getattr(found.run_by(runner), "worker_class", ""))))


def bounds(declaration: Declaration, place: str) -> tuple[float, float] | None:
    """Say within what a measured value is believed; None: nothing is measured there."""
    if place == "priors.cached_req_per_s_per_core":
        prior: float = PRIORS.cached_req_per_s_per_core
        return SLOWEST_SHARE * prior, FASTEST_TIMES * prior
    root, *names = place.split(".")
    if root != "apps" or len(names) != 3 or names[0] not in declaration.apps:
        return None
    app, runner, name = names
    settings = declaration.apps[app].run_by(runner)
    if settings is None or name not in type(settings).model_fields:
        return None
    is_async = getattr(settings, "is_async", False)
    match name:
        case "worker_memory_mib":
            prior = PRIORS.asgi_worker_mib if is_async else PRIORS.gunicorn_worker_mib
            return LEAST_SHARE * prior, MOST_TIMES * prior
        case "request_memory_kib" if is_async:
            return NEVER_LESS * PRIORS.asgi_request_kib, MOST_TIMES * PRIORS.asgi_request_kib
        case "compute_ms":
            return LEAST_MS, MOST_MS
        case "wait_ms" if not is_async:
            return LEAST_MS, MOST_MS
    return None


def layered(declaration: Declaration, measured: Measured | None) -> Declaration:
    """Lay measurements under what the inventory says: what a user wrote down outranks them, constants do not.

    Returns:
        The declaration with the settings that are measured; ``measured`` holds the values that count.
    """
    if measured is None:
        return declaration
    counted: dict[str, Measurement] = {}
    for name, app in declaration.apps.items():
        for runner in app.runners:
            settings = app.run_by(runner)
            if settings is None:
                continue
            left_out = {
                key: one
                for key, one in measured.of_app(name, runner).items()
                if key in type(settings).model_fields and key not in settings.model_fields_set
            }
            values = {key: _as_written(key, one.value) for key, one in left_out.items()}
            declaration = declaration.with_app(name, **{runner: settings.model_copy(update=values)})
            counted |= {f"apps.{name}.{runner}.{key}": one for key, one in left_out.items()}
    counted |= {place: one for place, one in measured.values.items() if place.startswith("priors.")}
    return declaration.model_copy(update={"measured": measured.model_copy(update={"values": counted})})


def _as_written(name: str, value: float) -> float:
    return int(value) if name.endswith("_mib") else value
