"""Packing: the modules of a package become one program text that runs on a host with nothing installed.

The text holds every module's source and a few lines that make ``import`` find them, so relative imports and
tracebacks with line numbers work there as here. The same modules give the same bytes. Pure apart from reading
the package's own files.
"""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Final

from deployer.agent import places

if TYPE_CHECKING:
    from collections.abc import Mapping

_BOOT: Final = """\
PACKAGE, ENTRY = {package!r}, {entry!r}
import sys, types
from importlib.abc import Loader
from importlib.machinery import ModuleSpec


class Packed(Loader):
    def find_spec(self, name, path=None, target=None):
        if name in SOURCES:
            return ModuleSpec(name, self, origin="<" + name + ">", is_package=name == PACKAGE)
        return None

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        name = module.__name__
        text = SOURCES[name]
        # tracebacks show the lines of modules that are in no file
        import linecache
        linecache.cache["<" + name + ">"] = (len(text), None, text.splitlines(True), "<" + name + ">")
        if name == PACKAGE:
            module.PROGRAM, module.AHEAD = TEXT, globals().get("AHEAD", b"")
        exec(compile(text, "<" + name + ">", "exec", dont_inherit=True), module.__dict__)


def run():
    above = ""
    for part in PACKAGE.split(".")[:-1]:
        above = above + "." + part if above else part
        sys.modules[above] = types.ModuleType(above)
        sys.modules[above].__path__ = []
    sys.meta_path.insert(0, Packed())
    import importlib
    return importlib.import_module(PACKAGE + "." + ENTRY).start(sys.argv[1:])


TEXT = globals().get("PROGRAM_TEXT")
if TEXT is None:
    with open(__file__, encoding="utf-8") as own:
        TEXT = own.read()
sys.exit(run())
"""

#: Where a host keeps the agent of its last commit, in files named by the SHA-256 of their text.
KEPT: Final = f"{places.KEPT}/"

#: Runs a program from stdin. Either ten digits say how long its zlib-compressed text is, or they are zeros: then
#: come 64 hexadecimal digits that name a text which the host may have kept, ten digits and so many bytes of the
#: first request. It says whether it has that text, and if not it is sent as well. Nothing is read beyond what
#: was announced, because more may lie right behind. One line without quotes that a shell would touch, and short:
#: sudo logs it. The magic comes first, so that a sudo that asked for no password is told from one that still waits.
#: Most of the imports are the program's: they are done while its name is still on its way.
_LOADER: Final = (
    r"import os,sys\n"
    r"v=sys.version_info\n"
    r"if v<(3,9):sys.stderr.write(\"deployer: python3 is %d.%d\\n\"%v[:2]);sys.exit(78)\n"
    r"os.write(1,b\"DEPLOYER-AGENT 1\\n\")\n"
    r"import hashlib,json,subprocess,tempfile,threading,typing,zlib\n"
    r"def r(n):\n"
    r" b=b\"\"\n"
    r" while len(b)<n:\n"
    r"  p=os.read(0,n-len(b))\n"
    r"  if not p:sys.exit(79)\n"
    r"  b+=p\n"
    r" return b\n"
    r"n=int(r(10))\n"
    r"a=t=b\"\"\n"
    r"if not n:\n"
    r" h=r(64).decode()\n"
    r" a=r(int(r(10)))\n"
    r" try:t=open(\"KEPT\"+h+\".py\",\"rb\").read(9**7)\n"
    r" except OSError:pass\n"
    r" k=hashlib.sha256(t).hexdigest()==h\n"
    r" os.write(1,b\"kept\\n\" if k else b\"send\\n\")\n"
    r" n=0 if k else int(r(10))\n"
    r"if n:t=zlib.decompress(r(n))\n"
    r"exec(compile(t,\"<packed>\",\"exec\"),{\"__name__\":\"__main__\",\"PROGRAM_TEXT\":t.decode(),\"AHEAD\":a})"
)


def loader(kept: str = KEPT) -> str:
    """Give the argument of ``python3 -c``; it holds no single quote, newline, ``$`` or ``!``.

    Args:
        kept: Folder of the texts that the host has, with a slash at its end.
    """
    return f'exec("{_LOADER.replace("KEPT", kept)}")'


LOADER: Final = loader()
"""What hosts run."""


@dataclass(frozen=True, slots=True)
class Program:
    """A packed program, or one of a single file.

    Attributes:
        text: What runs, as Python source: as ``__main__``.
    """

    text: str

    @property
    def wire(self) -> bytes:
        """Give what the loader reads from stdin: ten digits and the compressed text; most hosts have kept a copy."""
        compressed = zlib.compress(self.text.encode(), 9)
        return b"%010d" % len(compressed) + compressed

    @property
    def sha256(self) -> str:
        """Name the program by its content."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def named(self, request: bytes) -> bytes:
        """Give what asks for a copy that the host has kept, with the first request up to its blob."""
        return b"%010d%s%010d" % (0, self.sha256.encode(), len(request)) + request


def pack(sources: Mapping[str, str], *, package: str, entry: str) -> Program:
    """Pack modules into one program.

    Args:
        sources: Source text by module name within the package; ``__init__`` is the package itself.
        package: Dotted name under which the modules import one another.
        entry: The module whose ``start(arguments)`` runs and gives the exit status.

    Returns:
        The program, the same for the same sources, whatever order they come in.

    Raises:
        ValueError: ``entry`` is not among the sources.
    """
    if entry not in sources:
        raise ValueError(f"no module {entry!r} to start with")
    named = {package if name == "__init__" else f"{package}.{name}": text for name, text in sources.items()}
    named.setdefault(package, "")
    table = "".join(f"    {name!r}: {text!r},\n" for name, text in sorted(named.items()))
    return Program(f"SOURCES = {{\n{table}}}\n{_BOOT.format(package=package, entry=entry)}")


@cache
def agent_program() -> Program:
    """Pack ``deployer.agent``, once per process."""
    return pack(module_sources("deployer.agent"), package="deployer.agent", entry="main")


def module_sources(package: str) -> dict[str, str]:
    """Read the source of every module that lies directly in ``package``."""
    return {
        entry.name.removesuffix(".py"): entry.read_text(encoding="utf-8")
        for entry in resources.files(package).iterdir()
        if entry.name.endswith(".py")
    }
