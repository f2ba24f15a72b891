"""A plan as a file: what was shown is what is applied, later and from another machine, or nothing is. Pure.

It holds all that goes to the host but packages, which are fetched by their hashes when it is applied, and no secret.
"""

from __future__ import annotations

import base64
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, PlainValidator, ValidationError

from deployer.errors import UsageError
from deployer.plan import Change, Plan

#: What is larger is no plan, bytes: all that goes to a host in one request is smaller.
LIMIT_BYTES = 700 << 20


def _decoded(text: object) -> bytes:
    if not isinstance(text, str):
        raise ValueError("expected text")  # noqa: TRY004 - pydantic turns a ValueError into a place and a reason
    return base64.b64decode(text, validate=True)


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


#: pydantic's own Base64Bytes passes over what is no base64.
_Bytes = Annotated[bytes, PlainValidator(_decoded), PlainSerializer(_encoded)]


class _File(BaseModel):
    """The file's form; a change of it gets another number."""

    model_config = ConfigDict(extra="forbid")

    form: Literal["deployer/plan-file/1"] = Field(default="deployer/plan-file/1", alias="schema")
    host: str
    changes: tuple[Change, ...]
    document: dict[str, Any]
    blobs: dict[str, _Bytes]
    environments: tuple[str, ...]
    warnings: tuple[str, ...]


def plan_text(plan: Plan) -> str:
    """Give a plan's text; the same plan has the same."""
    held = _File.model_construct(
        host=plan.host,
        changes=plan.changes,
        document=dict(plan.document),
        blobs=dict(plan.blobs),
        environments=plan.environments,
        warnings=plan.warnings,
    )
    return held.model_dump_json(by_alias=True, indent=1) + "\n"


def read_plan(text: str, *, where: str) -> Plan:
    """Read a plan back.

    Args:
        text: What ``plan_text`` gave.
        where: The file, for people.

    Raises:
        UsageError: It is no plan, or one of another deployer.
    """
    try:
        held = _File.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        reason = f"{place}: {first['msg']}" if place else first["msg"]
        raise UsageError(
            f"this is no plan of this deployer: {reason}",
            where=where,
            next_step="make it anew: deployer plan --host NAME --out FILE",
        ) from error
    return Plan(held.host, held.changes, held.document, held.blobs, held.environments, held.warnings)
