"""A release: an app's source as it is on this machine, packed so that the same source gives the same bytes and name."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deployer.app import App
from deployer.errors import UsageError
from deployer.wanted import ReleaseWanted

#: Folders and files that are no part of an app.
LEFT_OUT = frozenset(
    [
        ".git",
        ".hg",
        ".svn",
        ".venv",
        "venv",
        "__pycache__",
        ".mypy_cache",
        ".pytest_cache",
        ".ruff_cache",
        "node_modules",
        ".env",
        ".DS_Store",
    ]
)
LEFT_OUT_SUFFIXES = (".pyc", ".pyo", ".swp")
#: An app's source beyond this is a mistake (a database dump, a folder of uploads), bytes.
MOST_BYTES = 256 << 20
#: What a lock with hashes holds, and how to make one, by kind of packages.
LOCKS = {
    "python": (b"--hash=", "uv pip compile --generate-hashes requirements.in -o requirements.lock"),
    "node": (b'"integrity"', "npm install --package-lock-only"),
}
#: Modes of an app's files on the host; nothing else of their modes here is kept.
PLAIN, EXECUTABLE = 0o644, 0o755
#: Tells the app which release it is: EnvironmentFile of its unit.
MARK = ".deployer-release"


@dataclass(frozen=True, slots=True)
class Release:
    """One app's source, packed.

    Attributes:
        app: The app.
        identifier: Twelve hex digits of the content: the folder's name on the host.
        tree: Tar of the source.
        lock: The file that names all packages that it needs besides, with their hashes; empty if it needs none.
        lock_path: Where that is on this machine.
    """

    app: str
    identifier: str
    tree: bytes
    lock: bytes
    lock_path: Path

    @property
    def environment(self) -> str:
        """Name of its environment: by the lock alone, so that most releases share one."""
        return hashlib.sha256(self.lock).hexdigest()[:12]


def read_release(wanted: ReleaseWanted, app: App, source: Path) -> Release:
    """Read and pack an app's source.

    Args:
        wanted: What the service that runs it says of its releases.
        app: As declared.
        source: Its folder.

    Raises:
        UsageError: The folder or a file that it must hold is missing, something in it cannot be packed, or it is huge.
    """
    where = f"app {wanted.app}"
    try:
        if not source.is_dir():
            raise UsageError(
                f"the source {source} is not a folder", where=where, next_step="correct `source` of the app"
            )
        if app.static is not None:
            _check_static(source, app.static, where)
        for file, maker in wanted.must_have.items():
            if not (source / file).is_file():
                raise UsageError(f"the source has no {file}: {source / file}", where=where, next_step=maker)
        lock_path = source / wanted.lock
        lock = _read_lock(lock_path, wanted, where) if wanted.lock else b""
        contents = _contents(source, where)
    except (OSError, RuntimeError) as error:  # Path.resolve calls links in a circle a RuntimeError
        raise UsageError(f"the source cannot be read: {error}", where=where) from error
    digest = hashlib.sha256()
    for name, data, mode in contents:
        digest.update(f"{name}\0{mode == EXECUTABLE:d}\0{len(data)}\0".encode() + data)
    identifier = digest.hexdigest()[:12]
    tag = (MARK, f"RELEASE={identifier}\n".encode(), PLAIN)
    return Release(wanted.app, identifier, _tar([*contents, tag]), lock, lock_path)


def _read_lock(path: Path, wanted: ReleaseWanted, where: str) -> bytes:
    if path.exists() and not path.is_file():
        raise UsageError(f"{path} is no plain file", where=where)
    lock = path.read_bytes()
    if wanted.packages in LOCKS:
        mark, next_step = LOCKS[wanted.packages]
        if mark not in lock:
            raise UsageError(f"{path} has no hashes", where=where, next_step=next_step)
    for package, next_step in wanted.lock_names.items():
        if f'"{package}"'.encode() not in lock:
            raise UsageError(f"{path} does not name {package}", where=where, next_step=next_step)
    return lock


def _contents(source: Path, where: str) -> list[tuple[str, bytes, int]]:
    """Read all files of an app: names relative to the source in their order, contents, modes."""
    found = []
    total = 0
    for path in sorted(_files(source, source.resolve()), key=lambda path: path.relative_to(source).as_posix()):
        name = path.relative_to(source).as_posix()
        if name.encode("utf-8", "ignore").decode() != name:
            raise UsageError(
                f"{name!r} in the source is no name in UTF-8", where=where, next_step="give it another name"
            )
        status = path.stat()
        total += status.st_size
        if total > MOST_BYTES:
            raise UsageError(
                f"the source {source} is larger than {MOST_BYTES >> 20} MiB", where=where, next_step="move data out"
            )
        found.append((name, path.read_bytes(), EXECUTABLE if status.st_mode & 0o100 else PLAIN))
    return found


def _check_static(source: Path, static: str, where: str) -> None:
    """Refuse a folder that is not there, and one that would show visitors the app's code or the host's files."""
    folder = (source / static.strip("/")).resolve()
    if source.resolve() not in folder.parents:
        raise UsageError(
            f"static: {static} is no folder inside the source, but would be served to everybody",
            where=where,
            next_step="put what is static into a folder of its own, and name that",
        )
    if not folder.is_dir():
        raise UsageError(
            f"the folder of static files is not there: {folder}", where=where, next_step="correct `static` of the app"
        )


def _files(folder: Path, source: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.name in LEFT_OUT or path.suffix in LEFT_OUT_SUFFIXES:
            continue
        if path.is_symlink():
            target = path.resolve()
            if not target.is_relative_to(source):
                raise UsageError(f"{path} is a link out of the source", next_step="put a copy there instead")
            if folder.resolve().is_relative_to(target):
                raise UsageError(f"{path} is a link to a folder that holds it", next_step="remove it")
        if path.is_dir():
            yield from _files(path, source)
        elif path.is_file():
            yield path


def _tar(contents: list[tuple[str, bytes, int]]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        folders: set[str] = set()
        for name, data, mode in contents:
            for parent in reversed(Path(name).parents):
                text = parent.as_posix()
                if text not in (".", *folders):
                    folders.add(text)
                    entry = tarfile.TarInfo(text)
                    entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                    archive.addfile(entry)
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), mode
            archive.addfile(entry, io.BytesIO(data))
    return stream.getvalue()
