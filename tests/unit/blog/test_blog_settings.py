"""The environment: defaults, limits, and secrets that come from files only."""

from pathlib import Path

import pytest
from blog.settings import SettingsError, database_settings, session_secret


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "database_password").write_text("p w\n")
    (tmp_path / "session_secret").write_text("x" * 32 + "\n")
    return {"CREDENTIALS_DIRECTORY": str(tmp_path), "DB_NAME": "blog", "DB_USER": "writer"}


def test_defaults(environ: dict[str, str]) -> None:
    found = database_settings(environ)
    assert (found.socket, found.password, found.pool_size) == ("/run/mysqld/mysqld.sock", "p w", 4)
    assert session_secret(environ) == b"x" * 32


def test_password_is_not_shown(environ: dict[str, str]) -> None:
    assert "p w" not in repr(database_settings(environ))


def test_file_variable_serves_without_credentials(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "other").write_text("from elsewhere")
    del environ["CREDENTIALS_DIRECTORY"]
    assert database_settings({**environ, "DB_PASSWORD_FILE": str(tmp_path / "other")}).password == "from elsewhere"
    with pytest.raises(SettingsError, match="DB_PASSWORD_FILE"):
        database_settings(environ)


@pytest.mark.parametrize(
    ("name", "value"),
    [("DB_POOL_SIZE", "0"), ("DB_POOL_SIZE", "many"), ("DB_ACQUIRE_TIMEOUT_S", "nan"), ("DB_NAME", "")],
)
def test_unusable_value_is_named(environ: dict[str, str], name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        database_settings({**environ, name: value})


def test_short_session_secret_is_refused(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "session_secret").write_text("x" * 31)
    with pytest.raises(SettingsError, match="31 characters"):
        session_secret(environ)
