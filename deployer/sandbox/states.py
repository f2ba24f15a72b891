"""What the sandbox remembers of its hosts: one file each."""

from __future__ import annotations

import json
import os

from deployer.sandbox.places import Places
from deployer.sandbox.problem import SandboxError
from deployer.sandbox.shape import Shape


def write_shape(places: Places, shape: Shape) -> None:
    """Remember a host; its file is readable by root only."""
    file = places.host(shape.name) / "shape.json"
    part = file.with_suffix(".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(shape.to_json())
    part.replace(file)


def read_shape(places: Places, name: str) -> Shape | None:
    """Recall a host; None when there is none of that name.

    Raises:
        SandboxError: Its file is not what ``write_shape`` writes.
    """
    file = places.host(name) / "shape.json"
    try:
        return Shape.from_json(file.read_text())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, json.JSONDecodeError, TypeError, AttributeError) as error:
        raise SandboxError(f"the sandbox's notes on {name} cannot be read: {error}", where=str(file)) from error


def shapes(places: Places) -> list[Shape]:
    """Recall every host, by name."""
    if not places.hosts.is_dir():
        return []
    found = (read_shape(places, entry.name) for entry in sorted(places.hosts.iterdir()))
    return [shape for shape in found if shape is not None]
