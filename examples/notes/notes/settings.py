"""What the app is told by its environment; read once, when a process starts."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


class SettingsError(Exception):
    """The environment lacks something or holds something unusable."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the database and the files are.

    Attributes:
        socket_folder: Folder of PostgreSQL's unix socket; it knows us by our system user, there is no password.
        pool_size: Connections at most, >= 1, per worker process.
        files: Folder of attached files.
        upload_mib: Largest file, MiB.
        files_mib: All files together, MiB.
    """

    socket_folder: str
    name: str
    user: str
    pool_size: int
    files: Path
    upload_mib: int
    files_mib: int


def settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the environment.

    Raises:
        SettingsError: A variable is missing or no number in its range.
    """
    return Settings(
        socket_folder=environ.get("DB_SOCKET", "/run/postgresql"),
        name=_required(environ, "DB_NAME"),
        user=_required(environ, "DB_USER"),
        pool_size=_whole(environ, "DB_POOL_SIZE", 4),
        files=Path(_required(environ, "STATE_DIRECTORY")) / "files",
        upload_mib=_whole(environ, "UPLOAD_MIB", 20),
        files_mib=_whole(environ, "FILES_MIB", 1024),
    )


def _required(environ: Mapping[str, str], name: str) -> str:
    value = environ.get(name, "")
    if not value:
        raise SettingsError(f"the environment variable {name} is not set")
    return value


def _whole(environ: Mapping[str, str], name: str, usual: int) -> int:
    text = environ.get(name) or str(usual)
    if not (text.isascii() and text.isdigit() and len(text) <= 7 and int(text) >= 1):
        raise SettingsError(f"{name}={text!r} must be a whole number from 1 to 9999999")
    return int(text)
