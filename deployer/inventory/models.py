"""The form of an inventory file: what may be said about a host."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints, create_model

from deployer.app import App, EnvironmentName, Name
from deployer.catalog import SERVICES, runners
from deployer.declaration import Declaration, Target
from deployer.errors import InventoryError, UsageError
from deployer.hardware import Declared, Hardware, Mib
from deployer.inventory.measurements import layered
from deployer.inventory.problems import ValuePath
from deployer.measured import Measured
from deployer.references import LocalPath, SecretSource
from deployer.service import Service
from deployer.slo import Slo

HostName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,30}$")]
Address = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,252}$")]
Network = Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F.:]+(/[0-9]{1,3})?$")]
UserName = Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_-]{0,31}$")]
HostKey = Annotated[
    str, StringConstraints(pattern=r"^(SHA256:[A-Za-z0-9+/=]{43,44}|(ssh|ecdsa)-[a-z0-9-]+ [A-Za-z0-9+/=]+)$")
]


class Jump(Declared):
    """A host to go through, for a VPS that cannot be reached directly."""

    address: Address
    """Name or address of the host to go through."""
    port: Annotated[int, Field(ge=1, le=65535)] = 22
    """Its port."""
    user: UserName
    """Who logs in there."""
    key_file: LocalPath | None = None
    """Private key for it; the keys in ~/.ssh if left out. Relative to the inventory file."""
    host_key: HostKey | None = None
    """Its own key, pinned: ssh-ed25519 AAAA..., or SHA256:... Left out, it is looked up as the VPS's is."""


class Ssh(Declared):
    """How to log in. Host keys are always checked."""

    address: Address
    """Name or address of the VPS, or an alias of your ssh_config, which also gives what is left out below."""
    port: Annotated[int, Field(ge=1, le=65535)] = 22
    """TCP port of its sshd."""
    user: UserName = "root"
    """Who logs in; anyone but root becomes root by sudo."""
    key_file: LocalPath | None = None
    """Private key on this machine; the keys in ~/.ssh if left out. Relative to the inventory file."""
    use_agent: bool = True
    """Offer the keys of a running ssh-agent."""
    known_hosts_file: LocalPath | None = None
    """File of trusted host keys, the jump host's too; else yours and the system's. Relative to the inventory file."""
    host_key: HostKey | None = None
    """The host's key, pinned: ssh-ed25519 AAAA..., or SHA256:..."""
    accept_new: bool = False
    """Trust a key that is not known yet, the jump host's too, and write it down. A changed one is always refused."""
    sudo_password_env: EnvironmentName | None = None
    """Environment variable that holds the password for a sudo that asks."""
    sudo_password: SecretSource | None = None
    """The same password from wherever a secret may come: {command: [pass, show, vps/sudo]}."""
    jump: Jump | None = None
    """A host to go through."""
    config: LocalPath | None = None
    """The ssh_config for what is left out: a file, or none. Yours if left out. Relative to the inventory file."""


class Services(Declared):
    """The services of a host and what is pinned of them; {} takes everything from the budget."""

    @property
    def settings(self) -> Mapping[str, Declared]:
        """What is said of each service that the host has, by its name."""
        found = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: one for name, one in found.items() if one is not None}


class Host(Declared):
    """One VPS: what it is, how it is reached, what runs on it, and what it shall hold."""

    model_config = ConfigDict(title="Host")

    hardware: Hardware
    """What the machine is."""
    ssh: Ssh
    """How to log in."""
    services: Services = Services()
    """What runs on it besides the apps."""
    apps: dict[Name, App] = Field(default_factory=dict)
    """The apps, by a short name each."""
    unmanaged_mib: Mib = 0
    """Memory of what else lives there and is not ours (a panel, an agent), MiB."""
    target: Target = Target()
    """What the host shall carry."""
    slo: Slo = Slo()
    """What the load test holds it to."""
    load: Literal["allowed", "forbidden"] = "forbidden"
    """Whether load tests may be run against it; a deploy is followed by one only where they are allowed."""
    load_from: tuple[Network, ...] = ()
    """Addresses or networks of load generators; the limits for each visitor do not hold for them."""
    generates_load: bool = False
    """Whether load tests of other hosts may come from it (`verify --from`); its name is refused there otherwise."""
    wheels: Literal["control", "host"] = "control"
    """Where Python packages are fetched: on this machine and sent along, or by the host itself."""


def _what(documented: type[Declared]) -> str:
    """Give the first sentence of a model's description, for editors that complete from the schema."""
    return (documented.__doc__ or "").strip().split("\n")[0]


def _field(service: Service, model: type[Declared]) -> Any:
    """Make the field of a service: absent unless it is written, or there with its defaults."""
    description = f"{service.name}: {_what(model)}"  # a text that is the model's own would be left out of the schema
    if service.always and model is service.settings:
        return (model, Field(default_factory=model, description=description))
    return (model | None, Field(default=None, description=description))


#: The forms as they are with the services that there are: each adds its key to a host, or to an app that it runs.
ServicesForm: Any = create_model(
    "Services",
    __base__=Services,
    __doc__=Services.__doc__,
    **{service.name: _field(service, service.settings) for service in SERVICES if service.settings is not None},
)
AppForm: Any = create_model(
    "App",
    __base__=App,
    __doc__=App.__doc__,
    **{service.name: _field(service, service.app_settings) for service in runners() if service.app_settings},
)
HostForm: Any = create_model(
    "Host",
    __base__=Host,
    __doc__=Host.__doc__,
    services=(ServicesForm, Field(default_factory=ServicesForm, description="What runs on it besides the apps.")),
    apps=(dict[Name, AppForm], Field(default_factory=dict, description="The apps, by a short name each.")),
)


class InventoryFile(Declared):
    """All inventory files together."""

    hosts: dict[HostName, HostForm]
    """The hosts, by a short name each."""
    groups: dict[HostName, Annotated[tuple[HostName, ...], Field(min_length=1)]] = Field(default_factory=dict)
    """Hosts under one name, for `--host`: groups: {shop: [web1, web2]}."""
    templates: LocalPath | None = None
    """Folder of your own templates, which win over the shipped ones. Relative to the inventory file."""


def declaration_of(name: str, host: Host) -> Declaration:
    """Make the pure core's start of what a file says about a host."""
    return Declaration(
        host=name,
        hardware=host.hardware,
        unmanaged_mib=host.unmanaged_mib,
        target=host.target,
        apps=host.apps,
        load_from=host.load_from,
        settings=host.services.settings,
    )


def path_from(folder: Path, written: str) -> Path:
    """Find a path that an inventory file names; nothing need be there.

    Args:
        folder: Folder of the file: a relative path is relative to it.
        written: The path; ``~`` is the user's home, ``~name`` that of another.

    Raises:
        InventoryError: There is no such user on this machine, or links in it lead in a circle.
    """
    try:
        return (folder / Path(written).expanduser()).resolve()
    except (OSError, RuntimeError) as error:
        raise InventoryError(f"{written} leads nowhere on this machine: {error}", where=str(folder)) from error


@dataclass(frozen=True)
class Entry:
    """One host of the inventory, and the file that it stands in.

    Attributes:
        name: Its name.
        host: What the file says.
        folder: Folder of the file: relative paths are relative to it.
        measured: What `calibrate` found on the host, if it was measured.
    """

    name: str
    host: Host
    folder: Path
    measured: Measured | None = None

    @property
    def declaration(self) -> Declaration:
        """What the pure core works from: what the file says, and below it what was measured."""
        return layered(declaration_of(self.name, self.host), self.measured)

    def path(self, written: str) -> Path:
        """Find a path that the file names, as ``path_from`` does."""
        return path_from(self.folder, written)


@dataclass(frozen=True)
class Inventory:
    """All hosts, by name.

    Attributes:
        entries: The hosts.
        template_folders: The user's own templates.
        position: Says of a way through the files where it stands: file and line.
        groups: Names of hosts under one name each.
    """

    entries: Mapping[str, Entry]
    template_folders: tuple[Path, ...] = ()
    position: Callable[[ValuePath], tuple[Path, int]] | None = None
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def place_in(self, host: str) -> Callable[[ValuePath], str]:
        """Say where something of a host's entry stands, as ``FILE:LINE``; nothing where no file was read."""

        def place(path: ValuePath) -> str:
            if self.position is None:
                return ""
            file, line = self.position(("hosts", host, *path))
            return f"{file}:{line}"

        return place

    def entry(self, name: str) -> Entry:
        """Give one host.

        Raises:
            UsageError: There is none of that name; the text has the nearest.
        """
        if name in self.entries:
            return self.entries[name]
        near = get_close_matches(name, self.entries, n=1)
        known = ", ".join(self.entries) or "none"
        raise UsageError(
            f"there is no host {name!r} in the inventory" + (f"; did you mean {near[0]}?" if near else ""),
            where=f"--host {name}",
            next_step=f"hosts of the inventory: {known}",
        )

    def chosen(self, names: str) -> tuple[Entry, ...]:
        """Give the hosts of a list of names: hosts and groups, with commas between, each host once, in that order.

        Raises:
            UsageError: A name is none of them; all such names in one text, each with the nearest that there is.
        """
        wanted = [name for name in (part.strip() for part in names.split(",")) if name]
        unknown = [name for name in dict.fromkeys(wanted) if name not in self.entries and name not in self.groups]
        if len(wanted) == 1 and unknown:
            return (self.entry(wanted[0]),)
        if unknown:
            raise UsageError(
                "the inventory has no host or group " + ", ".join(self._with_nearest(name) for name in unknown),
                where=f"--host {names}",
                next_step=f"hosts and groups of the inventory: {', '.join((*self.entries, *self.groups)) or 'none'}",
            )
        hosts = (host for name in wanted for host in self.groups.get(name, (name,)))
        return tuple(self.entries[name] for name in dict.fromkeys(hosts))

    def _with_nearest(self, name: str) -> str:
        near = get_close_matches(name, (*self.entries, *self.groups), n=1)
        return f"{name!r}" + (f" (did you mean {near[0]}?)" if near else "")
