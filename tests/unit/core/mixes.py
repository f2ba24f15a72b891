"""Hosts with any mix of the services that the catalogue has: made from the forms that the services themselves bring.

A service that joins the catalogue is in the properties' mixes at once; nobody adds it here.
"""

from __future__ import annotations

import types
from math import ceil
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MinLen
from hypothesis import strategies as st
from pydantic import BaseModel, StringConstraints, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from deployer.app import AppDatabase, BackgroundWorker, Timer, Websockets
from deployer.catalog import SERVICES, runners
from deployer.contradictions import RESERVED_APPS, is_contradictory
from deployer.declaration import Declaration, ServiceSettings, Target
from deployer.hardware import Hardware
from deployer.inventory.models import AppForm
from deployer.service import Service

#: Most of a pin's range is far beyond what a host of this test has; larger ones would only be refused.
LARGEST_PIN = 2048
NAMES = tuple(name for name in ("blog", "shop", "api", "live") if name not in RESERVED_APPS)


def _bounds(metadata: list[Any]) -> tuple[float | None, float | None]:
    low: float | None = None
    high: float | None = None
    for one in metadata:
        low = one.ge if isinstance(one, Ge) else one.gt + 1 if isinstance(one, Gt) else low
        high = one.le if isinstance(one, Le) else one.lt - 1 if isinstance(one, Lt) else high
    return low, high


def _values(annotation: Any, metadata: list[Any]) -> st.SearchStrategy[Any] | None:
    """Make values of a field's type; None: nothing is known of such a type, and its default has to do."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin in (Union, types.UnionType):
        found = [_values(one, metadata) for one in arguments if one is not type(None)]
        return st.one_of(*[one for one in found if one is not None]) if any(one is not None for one in found) else None
    if origin is not None and hasattr(annotation, "__metadata__"):
        return _values(arguments[0], [*metadata, *annotation.__metadata__])
    if annotation is bool:
        return st.booleans()
    if annotation in (int, float):
        low, high = _bounds(metadata)
        most = min(high if high is not None else LARGEST_PIN, max(LARGEST_PIN, low or 0))
        return st.integers(ceil(low or 0), int(most))
    patterns = [one.pattern for one in metadata if isinstance(one, StringConstraints) and one.pattern]
    if annotation is str and patterns:
        return st.from_regex(patterns[0], fullmatch=True).filter(lambda text: text.isascii() and len(text) < 40)
    return None


def _field(field: FieldInfo) -> st.SearchStrategy[Any] | None:
    found = _values(field.annotation, list(field.metadata))
    if found is None and field.is_required() and any(isinstance(one, MinLen) for one in field.metadata):
        return st.just(("run",))
    if found is None and field.is_required() and field.annotation is str:
        return st.just("thing")
    return found


def of_model(model: type[BaseModel]) -> st.SearchStrategy[Any]:
    """Make any settings that a form takes: each key left out as often as not."""
    required, optional = {}, {}
    for name, field in model.model_fields.items():
        values = _field(field)
        if values is not None:
            (required if field.default is PydanticUndefined and field.default_factory is None else optional)[name] = (
                values
            )

    def build(values: dict[str, Any]) -> BaseModel | None:
        try:
            return model(**values)
        except ValidationError:
            return None  # keys that a model refuses together

    return st.fixed_dictionaries(required, optional=optional).map(build).filter(lambda one: one is not None)


def _is_server(service: Service) -> bool:
    return service.settings is not None and service.is_used_by_apps


def _holds_databases(name: str) -> bool:
    model = next(service.settings for service in SERVICES if service.name == name)
    return model is not None and issubclass(model, ServiceSettings) and model.holds_databases


@st.composite
def apps(draw: Any, servers: tuple[str, ...]) -> dict[str, Any]:
    found = {}
    databases = [name for name in servers if _holds_databases(name)]
    for name in draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=3)):
        runner = draw(st.sampled_from(runners()))
        database = draw(st.sampled_from(databases)) if databases and draw(st.booleans()) else None
        jobs = st.builds(
            BackgroundWorker, command=st.just(("run",)), processes=st.integers(1, 3), memory_mib=st.integers(16, 200)
        )
        timers = st.builds(Timer, command=st.just(("run",)), on_calendar=st.just("daily"))
        found[name] = AppForm(
            source="src",
            server_names=(f"{name}.example",),
            session_cookie=draw(st.sampled_from([None, "session"])),
            uploads_at_once=draw(st.integers(1, 20)),
            websockets=draw(st.sampled_from([None, Websockets(path="/live", connections=10)])),
            database=database and AppDatabase(server=database),
            uses=tuple(one for one in servers if one not in databases and draw(st.booleans())),
            background=draw(st.dictionaries(st.just("mail"), jobs, max_size=1)),
            timers=draw(st.dictionaries(st.just("clean"), timers, max_size=1)),
            **{runner.name: draw(of_model(runner.app_settings))},
        )
    return found


@st.composite
def hosts(draw: Any, *, idle_servers: bool = True) -> Declaration:
    """Make a host of any size, with any mix of services and pins.

    Args:
        draw: Hypothesis' own.
        idle_servers: There may be servers that no app uses.
    """
    settings = {}
    for service in SERVICES:
        if service.settings is not None and (service.always or draw(st.booleans())):
            settings[service.name] = draw(of_model(service.settings))
    servers = tuple(service.name for service in SERVICES if _is_server(service) and service.name in settings)
    memory_mib = draw(st.one_of(st.integers(512, 8192), st.integers(512, 65_536)))
    found = draw(apps(servers))
    if not idle_servers:
        used = {app.database.server for app in found.values() if app.database} | {
            one for app in found.values() for one in app.uses
        }
        settings = {name: one for name, one in settings.items() if name not in servers or name in used}
    return Declaration(
        host="any",
        hardware=Hardware(
            cpu_cores=draw(st.integers(1, 32)),
            memory_mib=memory_mib,
            swap_mib=draw(st.sampled_from([0, 0, 1024])),
            disk_gib=draw(st.sampled_from([10, 40, 400])),
            bandwidth_mbit_per_s=draw(st.sampled_from([None, 3.0, 1000.0])),
            traffic_gb_per_month=draw(st.sampled_from([None, 300])),
        ),
        target=Target(connections=draw(st.one_of(st.integers(10, 2000), st.integers(10, 100_000)))),
        unmanaged_mib=draw(st.sampled_from([0, 0, 200])),
        apps=found,
        settings=settings,
    )


def contradicts(declaration: Declaration) -> bool:
    """Say whether the inventory would refuse it."""
    return is_contradictory(declaration)
