"""Rendering: what a host's services want, as files with their bytes. Pure, but for reading the templates.

Templates are the package's own, unless a folder of the user's has one of the same name; there, the shipped one is at
``builtin/NAME``, so that a user's template can extend it and replace single blocks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import jinja2

from deployer.budget import HostBudget
from deployer.catalog import running
from deployer.declaration import Declaration
from deployer.errors import RenderError
from deployer.numbers import Derived
from deployer.readers import reader_of
from deployer.registry import guard, split
from deployer.wanted import FileWanted, LinkWanted, Wanted, together

SHIPPED = Path(__file__).parent / "templates"
#: What the expressions of a template can raise by themselves, be it a recursion without end.
FAULTS_OF_TEMPLATES = (
    jinja2.TemplateError,
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True, slots=True)
class RenderedFile:
    """A file as it shall be on the host: what was wanted, and its bytes."""

    wanted: FileWanted
    content: bytes

    @property
    def path(self) -> str:
        """Where it goes."""
        return self.wanted.path

    @property
    def sha256(self) -> str:
        """Name the content."""
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True)
class Rendered:
    """The end of the pure core: everything that a host shall have.

    Attributes:
        declaration: Where it comes from.
        budget: The numbers in it.
        files: All files, by path.
        wanted: All that the services want besides files, put together in the order in which they start.
    """

    declaration: Declaration
    budget: HostBudget
    files: tuple[RenderedFile, ...]
    wanted: Wanted

    @property
    def links(self) -> tuple[LinkWanted, ...]:
        """Links of the services; those to the live releases come with the releases."""
        return self.wanted.links


def render(declaration: Declaration, budget: HostBudget, *, template_folders: Sequence[Path] = ()) -> Rendered:
    """Render every file of a host.

    Args:
        declaration: The host.
        budget: Its budget, from ``allocate``.
        template_folders: The user's own templates; the first folder that has a name wins over the shipped one.

    Returns:
        The files and wishes; the same for the same input, byte for byte.

    Raises:
        RenderError: A template is missing, is no Jinja, uses a name that it is not given, or makes a setting that the
            declared release of its server refuses, passes over or misreads.
    """
    services = running(declaration)
    wanted = together([service.wanted(declaration, budget) for service in services])
    of_services = tuple(service.templates for service in services if service.templates)
    # the shipped templates do not change while we run, so they are compiled once; a user's are read anew each time
    make = _environment if template_folders else _shipped_environment
    environment = make(tuple(template_folders), of_services)
    # a file of the kernel's names what all services want of it
    shared = {"sysctls": wanted.sysctls}
    files = tuple(
        RenderedFile(file, _render_one(environment, file, declaration, budget, shared))
        for file in sorted(wanted.files, key=lambda file: file.path)
    )
    return Rendered(declaration, budget, files, wanted)


def _environment(template_folders: tuple[Path, ...], of_services: tuple[Path, ...]) -> jinja2.Environment:
    shipped = jinja2.ChoiceLoader([jinja2.FileSystemLoader(folder) for folder in (SHIPPED, *of_services)])
    own = [jinja2.FileSystemLoader(folder) for folder in template_folders]
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader([*own, shipped, jinja2.PrefixLoader({"builtin": shipped})]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - configs, not HTML; what users declare is matched against patterns
    )
    environment.filters["systemd_argument"] = systemd_argument
    return environment


_shipped_environment = cache(_environment)


def _render_one(
    environment: jinja2.Environment,
    file: FileWanted,
    declaration: Declaration,
    budget: HostBudget,
    shared: Mapping[str, object],
) -> bytes:
    numbers = budget.numbers[file.taker]

    def header(names: Sequence[str] | None = None) -> str:
        shown = numbers if names is None else {name: numbers[name] for name in names}
        return _header(file, declaration, shown)

    context: dict[str, object] = {
        **shared,
        **file.context,
        "n": {name: number.value for name, number in numbers.items()},
        "host": declaration.host,
        "hardware": declaration.hardware,
        "target": declaration.target,
        "header": header,
        "systemd_word": systemd_word,
    }
    try:
        text = environment.get_template(file.template).render(context)
    except jinja2.TemplateNotFound as error:
        raise RenderError(f"there is no template {error.name}", where=file.template) from error
    except jinja2.TemplateSyntaxError as error:
        where = f"{error.filename or error.name or file.template}:{error.lineno}"
        raise RenderError(f"the template is not valid: {error.message}", where=where) from error
    except FAULTS_OF_TEMPLATES as error:
        raise RenderError(
            f"the template cannot be rendered: {str(error) or type(error).__name__}",
            where=f"{file.template}, for {file.path} on {declaration.host}",
        ) from error
    _accepted(text, file, declaration)
    return text.encode()


def _accepted(text: str, file: FileWanted, declaration: Declaration) -> None:
    """See that the file's reader takes every setting for what it says.

    Raises:
        RenderError: It does not, with the template, the line, the setting and why.
    """
    reader = reader_of(declaration, file.dialect, file.path)
    found = guard(text, *split(reader)) if reader else ()
    if not found:
        return
    lines = [f"line {one.line}: {one.name}: {one.kind}: {one.message} ({one.because})" for one in found]
    instead = next((f"; write {one.instead}" for one in found if one.instead), "")
    raise RenderError(
        "the template makes settings that " + reader + " does not take as they are meant:\n  " + "\n  ".join(lines),
        where=f"{file.template}, for {file.path} on {declaration.host}",
        next_step=f"correct the template{instead}, and run the same command again",
    )


def _header(file: FileWanted, declaration: Declaration, numbers: Mapping[str, Derived]) -> str:
    hardware = declaration.hardware
    cores = f"{hardware.cpu_cores} core" + ("s" if hardware.cpu_cores > 1 else "")
    shape = f"{cores}, {hardware.memory_mib} MiB, {declaration.target.connections} connections"
    lines = [
        f"# Written by deployer from inventory entry {declaration.host}: {shape}.",
        f"# The next deploy undoes changes made here; change the inventory, or template {file.template}.",
    ]
    for name, number in numbers.items():
        value = f"{number.value} {number.unit}".strip()
        lines.append(f"#   {name} = {value}: {number.because} ({number.provenance})")
    return "\n".join(lines)


def systemd_word(text: str) -> str:
    """Quote one word of a systemd setting so that it is taken as it is."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'


def systemd_argument(text: str) -> str:
    """Quote one word of a systemd command line, where a dollar sign would be replaced besides."""
    return systemd_word(text).replace("$", "$$")
