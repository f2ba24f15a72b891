"""Forms of systemd's values that its own dump does not name, asked of ``systemd-analyze verify`` of 252 and 257."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final

from deployer.dialects import values

#: A reader says what is wrong by ValueError.
Read = Callable[[str], object]
_SIGNALS: Final = (
    *("HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM"),
    *("TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF"),
    *("WINCH", "IO", "PWR", "SYS"),
)
_LEVELS: Final = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug", *map(str, range(8)))
_ACTIONS: Final = (
    *("none", "reboot", "reboot-force", "reboot-immediate", "poweroff", "poweroff-force", "poweroff-immediate"),
    *("exit", "exit-force", "kexec", "kexec-force", "halt", "halt-force", "halt-immediate", "soft-reboot"),
    "soft-reboot-force",
)
_OUTPUTS: Final = ("inherit", "null", "tty", "journal", "kmsg", "journal+console", "kmsg+console", "socket")
_LARGEST_SIGNAL: Final = 64


def _mode(value: str) -> None:
    if re.fullmatch(r"[0-7]{1,12}", value) is None or int(value, 8) > 0o7777:
        raise ValueError("a mode is octal, such as 0022")


def _path(value: str) -> None:
    if not value.removeprefix("-").startswith(("/", "%")):
        raise ValueError("a path is absolute")


def _paths(value: str) -> None:
    for word in value.split():
        if not re.match(r"-?\+?[/%\"']", word):
            raise ValueError(f"{word[:40]} is no absolute path")


def _bound(value: str) -> None:
    for word in value.split():
        source, _, target = word.partition(":")
        for path in (source.removeprefix("-"), target.partition(":")[0] or "/"):
            if path[:1] not in {"/", "%", '"', "'"}:
                raise ValueError(f"{path[:40]} is no absolute path")


def _below(value: str) -> None:
    for word in value.split():
        if word.startswith("/") or ".." in word.partition(":")[0].split("/"):
            raise ValueError("it is a name below its own folder, not a path")


def signal(value: str) -> None:
    """Read a signal by name or number."""
    name = value.removeprefix("SIG")
    is_number = value.isdecimal() and 0 < int(value[:4]) <= _LARGEST_SIGNAL
    if not (is_number or name in _SIGNALS or re.fullmatch(r"RTM(IN|AX)([+-]\d{1,2})?", name)):
        raise ValueError("a signal is like SIGTERM or 15")


def one_of(*words: str) -> Read:
    """Read one of some words."""

    def read(value: str) -> None:
        if value not in words:
            raise ValueError(f"it takes {', '.join(words[:12])}")

    return read


def between(least: int, most: int) -> Read:
    """Read a whole number with bounds."""

    def read(value: str) -> None:
        if re.fullmatch(r"-?\d{1,9}", value) is None or not least <= int(value) <= most:
            raise ValueError(f"it takes a number from {least} to {most}")

    return read


def _output(value: str) -> None:
    kind, colon, rest = value.partition(":")
    if colon and kind in {"file", "append", "truncate"} and not rest.startswith(("/", "%")):
        raise ValueError("a path is absolute")
    if not (colon and kind in {"file", "append", "truncate", "fd"}) and value not in {*_OUTPUTS, "fd"}:
        raise ValueError(f"it takes {', '.join(_OUTPUTS)}, file:PATH or append:PATH")


def _limit(of_one: Read) -> Read:
    def read(value: str) -> None:
        for one in value.split(":"):
            if one != "infinity":
                of_one(one)

    return read


def _bytes(value: str) -> None:
    if re.fullmatch(r"\d{1,19}[BKMGTPE]?", value) is None:
        raise ValueError("a limit is like 64M or infinity")


def _count(value: str) -> None:
    if re.fullmatch(r"\d{1,19}", value) is None:
        raise ValueError("it takes a whole number")


def _assignments(value: str) -> None:
    if any(sign in value for sign in "\"'\\"):
        return  # words of which only quotes tell where they end
    for word in value.split():
        if re.match(r"[A-Za-z_]\w*=", word) is None:
            raise ValueError(f"{word.partition('=')[0][:40]} is no NAME=VALUE")


def units(value: str) -> None:
    """Read names of units, with what kind they are."""
    for word in value.split():
        suffix = r"\.(service|socket|target|device|mount|automount|swap|timer|path|slice|scope)"
        if "%" not in word and re.fullmatch(rf"[\w:.@\\-]+{suffix}", word) is None:
            raise ValueError(f"{word[:40]} is no unit: its kind is missing, as in .service")


def _group(read: Read, names: Iterable[str]) -> dict[str, Read]:
    return dict.fromkeys(names, read)


READERS: Final[dict[str, Read]] = {
    **_group(_mode, ("UMask", "SocketMode", "DirectoryMode")),
    **_group(_mode, (f"{kind}DirectoryMode" for kind in ("Runtime", "State", "Cache", "Logs", "Configuration"))),
    **_group(_below, (f"{kind}Directory" for kind in ("Runtime", "State", "Cache", "Logs", "Configuration"))),
    **_group(_paths, ("ReadWritePaths", "ReadOnlyPaths", "InaccessiblePaths", "ExecPaths", "NoExecPaths")),
    **_group(_paths, ("ReadWriteDirectories", "ReadOnlyDirectories", "InaccessibleDirectories")),
    **_group(_paths, ("RequiresMountsFor", "TemporaryFileSystem")),
    **_group(_bound, ("BindPaths", "BindReadOnlyPaths")),
    **_group(_path, ("EnvironmentFile", "RootDirectory", "RootImage", "TTYPath", "NetworkNamespacePath")),
    **_group(signal, ("KillSignal", "FinalKillSignal", "RestartKillSignal", "WatchdogSignal", "ReloadSignal")),
    **_group(_output, ("StandardOutput", "StandardError")),
    **_group(_limit(_bytes), (f"Limit{name}" for name in ("AS", "CORE", "DATA", "FSIZE", "MEMLOCK", "RSS", "STACK"))),
    **_group(_limit(_bytes), ("LimitMSGQUEUE",)),
    **_group(_limit(_count), ("LimitSIGPENDING", "LimitLOCKS", "LimitRTPRIO")),
    **_group(_limit(values.systemd_duration_s), ("LimitCPU", "LimitRTTIME")),
    **_group(values.systemd_duration_s, ("JobTimeoutSec", "JobRunningTimeoutSec", "CPUQuotaPeriodSec")),
    **_group(values.systemd_duration_s, ("TimeoutAbortSec", "OnActiveSec", "OnBootSec", "OnStartupSec")),
    **_group(values.systemd_duration_s, ("OnUnitActiveSec", "OnUnitInactiveSec")),
    **_group(one_of(*_LEVELS), ("SyslogLevel", "LogLevelMax")),
    **_group(one_of(*_ACTIONS), ("StartLimitAction", "FailureAction", "SuccessAction", "JobTimeoutAction")),
    **_group(one_of("terminate", "abort", "kill"), ("TimeoutStartFailureMode", "TimeoutStopFailureMode")),
    **_group(units, ("Wants", "Requires", "Requisite", "BindsTo", "PartOf", "Upholds", "Conflicts")),
    **_group(units, ("Before", "After", "OnFailure", "OnSuccess", "Sockets")),
    "Environment": _assignments,
    "StandardInput": one_of("null", "tty", "tty-force", "tty-fail", "socket", "fd", "data"),
    "IOSchedulingClass": one_of("none", "realtime", "best-effort", "idle", *map(str, range(8))),
    "IOSchedulingPriority": between(0, 7),
    "CPUSchedulingPolicy": one_of("other", "batch", "idle", "fifo", "rr", *map(str, range(8))),
    "CPUSchedulingPriority": between(0, 99),
    "ExitType": one_of("main", "cgroup"),
    "RestartMode": one_of("normal", "direct", "debug"),
    "KeyringMode": one_of("inherit", "private", "shared"),
    "UtmpMode": one_of("init", "login", "user"),
    "CollectMode": one_of("inactive", "inactive-or-failed"),
}
