"""Where an app lives on the host. One place, because templates, units and the release all need it."""

from __future__ import annotations

from dataclasses import dataclass

UNIT_FOLDER = "/etc/systemd/system"


@dataclass(frozen=True, slots=True)
class AppPlaces:
    """Names and paths of one app.

    The prefix ``app-`` keeps an app called ``mysql`` or ``daemon`` apart from what the system calls so. An app of one
    process has one unit; one of several has an instance of a template unit for each, counted from 1.
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
    def template_unit(self) -> str:
        """Service unit of which every process is an instance."""
        return f"app-{self.app}@.service"

    @property
    def template_socket_unit(self) -> str:
        """Socket unit of which every process has an instance."""
        return f"app-{self.app}@.socket"

    def process_unit(self, number: int) -> str:
        """Service unit of one process."""
        return f"app-{self.app}@{number}.service"

    def process_socket_unit(self, number: int) -> str:
        """Socket unit of one process."""
        return f"app-{self.app}@{number}.socket"

    def process_socket(self, number: int) -> str:
        """Where nginx reaches one process."""
        return f"/run/app-{self.app}-{number}.sock"

    @property
    def candidate_unit(self) -> str:
        """Service unit of a new release that nobody is led to yet."""
        return f"app-{self.app}@candidate.service"

    @property
    def candidate_socket_unit(self) -> str:
        """Socket unit of the same."""
        return f"app-{self.app}@candidate.socket"

    @property
    def candidate_socket(self) -> str:
        """Where it answers, in a folder of root's."""
        return f"/run/deployer-candidates/{self.app}.sock"

    @property
    def hold_unit(self) -> str:
        """Service unit that hands on who waited for the only process that listens on a port."""
        return f"app-{self.app}@hold.service"

    @property
    def hold_socket_unit(self) -> str:
        """Socket unit at which they wait."""
        return f"app-{self.app}@hold.socket"

    @property
    def hold_socket(self) -> str:
        """Where nginx leads them when the process does not listen."""
        return f"/run/app-{self.app}-hold.sock"

    def job_template_unit(self, job: str) -> str:
        """Service unit of which every process of a background worker is an instance."""
        return f"app-{self.app}-{job}@.service"

    def job_unit(self, job: str, number: int) -> str:
        """Service unit of one process of a background worker."""
        return f"app-{self.app}-{job}@{number}.service"

    def timer_unit(self, job: str) -> str:
        """Timer unit of a command that runs now and then."""
        return f"app-{self.app}-{job}.timer"

    def timed_unit(self, job: str) -> str:
        """Service unit that the timer starts."""
        return f"app-{self.app}-{job}.service"

    @property
    def home(self) -> str:
        """Folder of releases and environments."""
        return f"/srv/{self.app}"

    @property
    def state(self) -> str:
        """The app's own folder: the only one that it may write to, besides its private /tmp."""
        return f"/var/lib/app-{self.app}"

    @property
    def releases(self) -> str:
        """Folder of all releases."""
        return f"{self.home}/releases"

    @property
    def current(self) -> str:
        """Link to the live release. Links have a small folder of their own, which a validator can be shown."""
        return f"{self.home}/current/code"

    @property
    def release_mark(self) -> str:
        """Variables that tell the app which release it is."""
        return f"{self.current}/.deployer-release"

    @property
    def venvs(self) -> str:
        """Folder of its Python environments."""
        return f"{self.home}/venvs"

    @property
    def venv(self) -> str:
        """Link to the live Python environment."""
        return f"{self.home}/current/venv"

    @property
    def config_folder(self) -> str:
        """Folder of configs of what runs it."""
        return f"/etc/deployer/{self.app}"

    def secret(self, name: str) -> str:
        """Path of one of the app's secrets on the host."""
        return f"/etc/deployer/secrets/{self.app}.{name}"
