"""Where an app lives on the host. One place, because templates, units and the release all need it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AppPlaces:
    """Names and paths of one app.

    The prefix ``app-`` keeps an app called ``mysql`` or ``daemon`` apart from what the system calls so.
    """

    app: str

    @property
    def user(self) -> str:
        """System user and group."""
        return f"app-{self.app}"

    @property
    def unit(self) -> str:
        """Service unit."""
        return f"app-{self.app}.service"

    @property
    def socket_unit(self) -> str:
        """Socket unit; it stays up while the service restarts."""
        return f"app-{self.app}.socket"

    @property
    def socket(self) -> str:
        """Where nginx reaches the app."""
        return f"/run/app-{self.app}.sock"

    @property
    def home(self) -> str:
        """Folder of releases and environments."""
        return f"/srv/{self.app}"

    @property
    def current(self) -> str:
        """Link to the live release. Both links have a small folder of their own, which a validator can be shown."""
        return f"{self.home}/current/code"

    @property
    def venv(self) -> str:
        """Link to the live environment."""
        return f"{self.home}/current/venv"

    @property
    def config(self) -> str:
        """Gunicorn's config."""
        return f"/etc/deployer/{self.app}/gunicorn.conf.py"

    def secret(self, name: str) -> str:
        """Path of one of the app's secrets on the host."""
        return f"/etc/deployer/secrets/{self.app}.{name}"
