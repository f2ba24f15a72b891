"""What the blog is told by its environment; read once, when a process starts."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

DEFAULT_SOCKET = "/run/mysqld/mysqld.sock"
#: Characters; a shorter signing key is a mistake and not a secret.
MINIMUM_SECRET_CHARACTERS = 32


class SettingsError(Exception):
    """The environment lacks something or holds something unusable."""


@dataclass(frozen=True, slots=True)
class DatabaseSettings:
    """Where the database is and how much of it one process may use.

    Attributes:
        pool_size: Connections at most, >= 1, per worker process.
        acquire_timeout_s: Longest wait for a free connection, then the visitor gets 503.
        query_timeout_s: Longest time for one statement, then its connection is thrown away.
        recycle_s: Age at which an idle connection is replaced; below the server's `wait_timeout`.
    """

    socket: str
    name: str
    user: str
    password: str = field(repr=False)
    pool_size: int = 4
    acquire_timeout_s: float = 5.0
    query_timeout_s: float = 10.0
    recycle_s: float = 240.0


def database_settings(environ: Mapping[str, str] = os.environ) -> DatabaseSettings:
    """Read the `DB_*` variables and the password's file.

    Raises:
        SettingsError: A variable is missing or no number, or the password's file cannot be read.
    """
    return DatabaseSettings(
        socket=environ.get("DB_SOCKET", DEFAULT_SOCKET),
        name=_required(environ, "DB_NAME"),
        user=_required(environ, "DB_USER"),
        password=_secret(environ, "database_password", "DB_PASSWORD_FILE"),
        pool_size=int(_number(environ, "DB_POOL_SIZE", 4, at_least=1)),
        acquire_timeout_s=_number(environ, "DB_ACQUIRE_TIMEOUT_S", 5, at_least=0.01),
        query_timeout_s=_number(environ, "DB_QUERY_TIMEOUT_S", 10, at_least=0.01),
        recycle_s=_number(environ, "DB_RECYCLE_S", 240, at_least=1),
    )


def session_secret(environ: Mapping[str, str] = os.environ) -> bytes:
    """Read the key that signs session cookies.

    Raises:
        SettingsError: There is none, or it has fewer than 32 characters.
    """
    secret = _secret(environ, "session_secret", "SESSION_SECRET_FILE")
    if len(secret) < MINIMUM_SECRET_CHARACTERS:
        raise SettingsError(
            f"the session secret has {len(secret)} characters, at least {MINIMUM_SECRET_CHARACTERS} are needed"
        )
    return secret.encode()


def _required(environ: Mapping[str, str], name: str) -> str:
    value = environ.get(name, "")
    if not value:
        raise SettingsError(f"the environment variable {name} is not set")
    return value


def _number(environ: Mapping[str, str], name: str, default: float, *, at_least: float) -> float:
    text = environ.get(name, "")
    try:
        value = float(text) if text else float(default)
    except ValueError:
        raise SettingsError(f"{name}={text!r} is not a number") from None
    if not at_least <= value < float("inf"):
        raise SettingsError(f"{name}={text!r} must be a number of at least {at_least}")
    return value


def _secret(environ: Mapping[str, str], credential: str, file_variable: str) -> str:
    """Prefer systemd's credential: it is readable by this service alone and never in the environment."""
    directory = environ.get("CREDENTIALS_DIRECTORY", "")
    candidates = [Path(directory, credential)] if directory else []
    if environ.get(file_variable):
        candidates.append(Path(environ[file_variable]))
    for path in candidates:
        try:
            return path.read_text(encoding="utf-8").rstrip("\r\n")
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{path} cannot be read: {error}") from error
    raise SettingsError(f"no credential {credential!r} in $CREDENTIALS_DIRECTORY and no {file_variable}")
