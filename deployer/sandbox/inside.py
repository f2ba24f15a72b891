"""Running programs inside a Debian tree, in namespaces of their own, with nothing left behind.

A program inside sees the tree as its root and may write to all of it; what it writes lies in memory over the tree and
is gone afterwards. It has its own processes, its own mounts and a network that is a loopback device alone, so any
number can use the same port at the same time. All of it hangs on one process: when that ends, the kernel takes the
rest away, and it ends when the process that started it does, however that happens.
"""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from deployer.sandbox.places import places
from deployer.sandbox.problem import SandboxError
from deployer.sandbox.programs import PATH, last_lines

_END_TIMEOUT_S: Final = 20
_ENVIRONMENT: Final = {"PATH": PATH, "LC_ALL": "C.UTF-8", "HOME": "/root"}
#: Runs as the first process inside: $1 is the tree, $2 an empty folder, $3 the room for what is written, MiB; after
#: them, in pairs, folders of this machine and where they are seen inside.
_SETUP: Final = """
set -eu
mount -t tmpfs -o mode=755,size="$3m" deployer-inside "$2"
cd "$2"
mkdir upper work root
mount -t overlay -o "lowerdir=$1,upperdir=upper,workdir=work" deployer-inside root
cd root
shift 3
while [ $# -gt 0 ]; do
    mkdir -p "./$2"
    mount --bind "$1" "./$2"
    mount -o remount,ro,bind "./$2"
    shift 2
done
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,ro,bind proc/sys
mount -t sysfs -o ro sysfs sys
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
mount -t tmpfs -o mode=755 tmpfs dev
mkdir dev/shm dev/pts
mount -t tmpfs -o mode=1777 tmpfs dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ln -s /proc/self/fd/1 dev/stdout
ln -s /proc/self/fd/2 dev/stderr
mknod -m 666 dev/null c 1 3
mknod -m 666 dev/zero c 1 5
mknod -m 666 dev/full c 1 7
mknod -m 666 dev/random c 1 8
mknod -m 666 dev/urandom c 1 9
mknod -m 666 dev/tty c 5 0
ip link set lo up
ip link add eth0 type veth peer name peer0 # leads nowhere; MariaDB warns of a host without a hardware address
ip address add 192.0.2.1/24 dev eth0
pivot_root . .
umount -l .
cd /
exec cat
"""
#: Written to the first process inside once it is all set up, and given back by it: `cat` and no longer the shell.
_READY: Final = b"ready\n"


@dataclass(frozen=True, slots=True)
class Ended:
    """A program that ran to its end.

    Attributes:
        code: Its exit code; negative is the signal that ended it.
        stdout: What it printed.
        stderr: What it printed as errors.
    """

    code: int
    stdout: str
    stderr: str

    @property
    def text(self) -> str:
        """All that it printed, errors last."""
        return self.stdout + self.stderr


@dataclass(frozen=True, slots=True)
class Inside:
    """The inside of a tree.

    Attributes:
        holder: Process id, as this machine counts, of the first process inside.
    """

    holder: int

    def argv(self, words: Sequence[str], *, user: str = "root", open_files: int | None = None) -> list[str]:
        """Give the command line, of this machine, that runs a program inside.

        Args:
            words: The program and its arguments.
            user: Who runs it; with that user's groups.
            open_files: Its limit of open files, hard and soft; None is this process's.
        """
        start = ["nsenter", f"--target={self.holder}", "--mount", "--pid", "--net", "--ipc", "--uts", "--"]
        if open_files is not None:
            start += ["prlimit", f"--nofile={open_files}:{open_files}"]
        if user != "root":
            start += ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"]
        return [*start, *words]

    def run(
        self,
        words: Sequence[str],
        *,
        user: str = "root",
        text: str | bytes = "",
        environment: Mapping[str, str] | None = None,
        timeout_s: float = 60,
    ) -> Ended:
        """Run a program to its end, however it ends.

        Args:
            words: The program and its arguments; no shell reads them.
            user: Who runs it.
            text: Its standard input.
            environment: Variables besides PATH, HOME and LC_ALL; those of this process are not passed on.
            timeout_s: How long it may take, s.

        Raises:
            SandboxError: It took longer.
        """
        try:
            done = subprocess.run(
                self.argv(words, user=user),
                input=text.encode() if isinstance(text, str) else text,
                capture_output=True,
                check=False,
                timeout=timeout_s,
                env={**_ENVIRONMENT, **(environment or {})},
            )
        except subprocess.TimeoutExpired as error:
            raise SandboxError(f"{words[0]} did not end within {timeout_s:g} s inside its tree") from error
        return Ended(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))

    def check(self, words: Sequence[str], *, user: str = "root", text: str | bytes = "", timeout_s: float = 60) -> str:
        """Run a program that must succeed, and return what it printed.

        Raises:
            SandboxError: It failed or took too long.
        """
        done = self.run(words, user=user, text=text, timeout_s=timeout_s)
        if done.code:
            raise SandboxError(f"{' '.join(words)[:120]} ended with {done.code}: {last_lines(done.text)}")
        return done.stdout

    def start(
        self,
        words: Sequence[str],
        *,
        log: IO[bytes],
        user: str = "root",
        environment: Mapping[str, str] | None = None,
        open_files: int | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start a program that stays; it ends with the inside at the latest.

        Args:
            words: The program and its arguments.
            log: Gets what it prints.
            user: Who runs it.
            environment: Variables besides PATH, HOME and LC_ALL.
            open_files: Its limit of open files; None is this process's.
        """
        return subprocess.Popen(
            self.argv(words, user=user, open_files=open_files),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**_ENVIRONMENT, **(environment or {})},
        )

    def lay(self, files: Mapping[str, bytes], *, mode: int = 0o644) -> None:
        """Write files, by their absolute paths, and the folders that they need; as root."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            for path, content in files.items():
                member = tarfile.TarInfo(path.lstrip("/"))
                member.size, member.mode = len(content), mode
                archive.addfile(member, io.BytesIO(content))
        # by a program inside: the tree's absolute links would lead out of it
        self.check(["tar", "--extract", "--directory=/", "--keep-directory-symlink"], text=packed.getvalue())

    def read(self, path: str) -> str:
        """Read a file; one that is not there is empty."""
        return self.run(["cat", path]).stdout

    def processes(self) -> tuple[int, ...]:
        """List the processes inside, besides the first, by the process ids of this machine."""
        namespace = Path(f"/proc/{self.holder}/ns/pid").readlink()
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == self.holder:
                continue
            try:
                if (entry / "ns/pid").readlink() == namespace:
                    found.append(int(entry.name))
            except OSError:  # it ended meanwhile, or is the kernel's
                continue
        return tuple(sorted(found))


@contextmanager
def inside(tree: Path, *, room_mib: int = 2048, folders: Mapping[str, Path] | None = None) -> Iterator[Inside]:
    """Make an inside of a tree; at the end everything in it is ended and gone.

    Args:
        tree: The tree; it is not changed.
        room_mib: What may be written, MiB; it takes memory as it is written.
        folders: Folders of this machine that can be read inside, by where they are there.

    Raises:
        SandboxError: The kernel refuses, or has no overlayfs.
    """
    here = places()
    here.make()
    spot = here.root / "inside"  # mounted over by each in a mount namespace of its own: it stays empty
    spot.mkdir(exist_ok=True)
    namespaces = ["--mount", "--pid", "--net", "--ipc", "--uts"]
    argv = ["unshare", *namespaces, "--fork", "--kill-child", "sh", "-c", _SETUP, "sh", str(tree), str(spot)]
    pairs = [word for where, folder in (folders or {}).items() for word in (str(folder), where)]
    keeper = subprocess.Popen(
        [*argv, str(room_mib), *pairs],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, **_ENVIRONMENT},
    )
    try:
        said = _said_back(keeper)
        if said != _READY:
            raise SandboxError(f"no inside of a tree can be made: {said.decode(errors='replace').strip()}")
        yield Inside(int(Path(f"/proc/{keeper.pid}/task/{keeper.pid}/children").read_text()))
    finally:
        # its first process reads this pipe to the end, and then ends
        keeper.communicate(timeout=_END_TIMEOUT_S)


def _said_back(keeper: subprocess.Popen[bytes]) -> bytes:
    """Give what the first process inside says: the line that it is told, or why it ended."""
    if keeper.stdin is None or keeper.stdout is None:
        return b""
    with suppress(BrokenPipeError):  # it ended; what it said of that is there
        keeper.stdin.write(_READY)
        keeper.stdin.flush()
    return keeper.stdout.readline()
