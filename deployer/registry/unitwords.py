"""systemd's values that are lists of names: capabilities, system calls, addresses, devices, processors, users.

Each was tried with ``systemd-analyze verify`` of 252 and 257, but for capabilities: systemd passes over a name that it
does not know without a word (``capability_set_from_string`` of its source).
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final

from deployer.dialects import values
from deployer.registry.unitforms import Read, between, one_of, signal, units
from deployer.registry.unitnames import ARCHITECTURES, CALL_GROUPS, CAPABILITIES, EXIT_NAMES, FAMILIES, NAMESPACES

_NETS: Final = frozenset({"any", "localhost", "link-local", "multicast"})
_CONTROLLERS: Final = (
    *("cpu", "cpuacct", "cpuset", "io", "blkio", "memory", "devices", "pids"),
    *("bpf-firewall", "bpf-devices", "bpf-foreign", "bpf-socket-bind", "bpf-restrict-network-interfaces"),
)
_FACILITIES: Final = (
    *("kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp"),
    *(f"local{n}" for n in range(8)),
    *map(str, range(24)),
)
_MOST_CPU, _MOST_NODE, _MOST_PORT = 8191, 1023, 65_535
_UNSET_IDS: Final = frozenset({"65535", "4294967295"})
_WHOLE_BYTES = 1024**3
_WHOLE_PERCENT = 100


def _words(*names: str, known: frozenset[str] = frozenset(), turned: bool = True) -> Read:
    """Read a list of known words, which a ~ in front turns round."""

    def read(value: str) -> None:
        for word in (value.removeprefix("~") if turned else value).split():
            if word not in known and word not in names:
                raise ValueError(f"{word[:40]} is not known")

    return read


def _capabilities(value: str) -> None:
    for word in value.removeprefix("~").split():
        name = word.upper().removeprefix("CAP_")
        if not (word.isdecimal() or (word.upper() != name and name in CAPABILITIES)):
            raise ValueError(f"{word[:40]} is no capability, and is passed over without a word")


def _calls(value: str) -> None:
    for word in value.removeprefix("~").split():
        name, colon, instead = word.partition(":")
        if name.startswith("@") and name[1:] not in CALL_GROUPS:
            raise ValueError(f"there is no group of system calls {name[:40]}")
        if not re.fullmatch(r"@?[a-z0-9_-]+", name):
            raise ValueError(f"{name[:40]} is no system call; spaces stand between them")
        if colon:
            _error(instead)


def _error(value: str) -> None:
    is_number = re.fullmatch(r"\d{1,4}", value) is not None and int(value) < 4096
    if not (is_number or value == "kill" or re.fullmatch(r"E[A-Z0-9]{1,20}", value)):
        raise ValueError("an error is like EPERM")


def _networks(value: str) -> None:
    for word in value.split():
        if word in _NETS:
            continue
        try:
            ipaddress.ip_network(word, strict=False)
        except ValueError:
            raise ValueError(f"{word[:40]} is no address, such as 10.0.0.0/8 or localhost") from None


def _device(value: str) -> None:
    node, _, rights = value.partition(" ")
    if not node.startswith(("/dev/", "/run/systemd/inaccessible/", "char-", "block-", "%")):
        raise ValueError("a device is below /dev, or a group such as char-pts")
    if not re.fullmatch(r"[rwm]*", rights.strip()):
        raise ValueError(f"{rights[:20]} is not made of r, w and m")


def _set_of(most: int, *besides: str) -> Read:
    def read(value: str) -> None:
        for word in value.replace(",", " ").split():
            ends = re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?", word)
            if word in besides:
                continue
            if ends is None or not int(ends[1]) <= int(ends[2] or ends[1]) <= most:
                raise ValueError(f"{word[:40]} is no number or range, such as 0-3")

    return read


def _nice(value: str) -> None:
    for one in value.split(":"):
        if one == "infinity" or re.fullmatch(r"[+-](\d|1\d|20)|\d|[1-3]\d|40", one):
            continue
        raise ValueError("it takes +19 to -20, or a bare limit from 0 to 40")


def _slice(value: str) -> None:
    if "%" not in value and re.fullmatch(r"-\.slice|[\w:.\\]+(-[\w:.\\]+)*\.slice", value) is None:
        raise ValueError("a slice is like web.slice, with single dashes between its parts")


def _name(value: str) -> None:
    is_odd = any(sign in value for sign in ":/") or value in _UNSET_IDS or value in {".", ".."}
    if "%" not in value and (is_odd or re.search(r"[\x00-\x1f]", value)):
        raise ValueError("it is no name or number of a user or group")


def _names(value: str) -> None:
    for word in value.split():
        _name(word)


def _boolean_or_list(of_list: Read) -> Read:
    def read(value: str) -> None:
        try:
            values.boolean("unit", value)
        except ValueError:
            of_list(value)

    return read


def _boolean_or(*words: str) -> Read:
    def read(value: str) -> None:
        if value not in words:
            values.boolean("unit", value)

    return read


def _pressure(value: str) -> None:
    matched = re.fullmatch(r"(\d{1,3})(\.\d{1,2})?%", value)
    if matched is None or float(value[:-1]) > _WHOLE_PERCENT:
        raise ValueError("it takes 0% to 100%")


def _weight(least: int, most: int, *besides: str) -> Read:
    number = between(least, most)
    return lambda value: None if value in besides else number(value)


def _of_device(read: Read) -> Read:
    def both(value: str) -> None:
        device, _, rest = value.strip().partition(" ")
        if not rest or not device.startswith(("/", "%")):
            raise ValueError("it takes the path of a device and a value")
        read(rest.strip())

    return both


def _rate(value: str) -> None:
    if value != "infinity" and re.fullmatch(r"\d{1,18}(\.\d+)?[KMGT]?", value) is None:
        raise ValueError("a rate is like 5M")


def _matches(pattern: str, wanted: str) -> Read:
    def read(value: str) -> None:
        if "%" not in value and re.fullmatch(pattern, value) is None:
            raise ValueError(wanted)

    return read


def _variables(value: str) -> None:
    for word in value.split():
        if re.fullmatch(r"[A-Za-z_]\w*", word) is None:
            raise ValueError(f"{word[:40]} is no name of a variable")


def _statuses(value: str) -> None:
    for word in value.split():
        is_code = word.isdecimal() and int(word[:4]) <= 255
        if not is_code and word not in EXIT_NAMES:
            signal(word)


def _assigned(value: str) -> None:
    if re.match(r"[^/:]{1,255}:", value) is None:
        raise ValueError("it is like name:value")


def _fields(value: str) -> None:
    if re.match(r'"?[A-Z_][A-Z0-9_]*=', value) is None:
        raise ValueError("a field is like NAME=value")


def _ports(value: str) -> None:
    port = value.rpartition(":")[2]
    ends = re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?", port)
    is_port = ends is not None and 0 < int(ends[1]) <= int(ends[2] or ends[1]) <= _MOST_PORT
    if re.fullmatch(
        r"((ipv4|ipv6):)?((tcp|udp):)?[^:]+|(ipv4|ipv6|tcp|udp)|(ipv4|ipv6):(tcp|udp)", value
    ) is None or not (is_port or port in {"any", "ipv4", "ipv6", "tcp", "udp"}):
        raise ValueError("it is like tcp:80, ipv4:tcp:80-90 or any")


def _command(value: str) -> None:
    program = value.lstrip("-@:+!|").partition(" ")[0]
    if "/" in program and not program.startswith(("/", "%", '"', "'")):
        raise ValueError(f"{program[:40]} is neither an absolute path nor a bare name")


def _loaded(value: str) -> None:
    name, colon, source = value.partition(":")
    if not re.fullmatch(r"[^/:]{1,255}", name) or (colon and "/" in source and not source.startswith(("/", "%"))):
        raise ValueError("a credential is like name:/absolute/path")


def _condition_path(value: str) -> None:
    if not value.removeprefix("|").strip().removeprefix("!").strip().startswith(("/", "%")):
        raise ValueError("a path is absolute")


def _addresses(value: str) -> None:
    for word in value.split():
        if not re.match(r"(https?://|file:/|info:|man:)", word):
            raise ValueError(f"{word[:40]} begins with none of http://, https://, file:/, info:, man:")


def _search(value: str) -> None:
    for word in value.split(":"):
        if not word.startswith(("/", "%")):
            raise ValueError(f"{word[:40]} is no absolute path")


def _journal_size(value: str) -> None:
    if re.fullmatch(r"\d{1,15}(\.\d{1,3})?[BKMGTPE]?", value) is None:
        raise ValueError("a size is like 50M")


_JOB_MODES: Final = (
    *("fail", "replace", "replace-irreversibly", "isolate", "flush", "ignore-dependencies", "ignore-requirements"),
    "restart-dependencies",
)
_PATH_CONDITIONS: Final = (
    *("PathExists", "PathExistsGlob", "PathIsDirectory", "PathIsEncrypted", "PathIsMountPoint", "PathIsReadWrite"),
    *("PathIsSymbolicLink", "DirectoryNotEmpty", "FileNotEmpty", "FileIsExecutable"),
)
_STARTUP: Final = ("StartupMemoryHigh", "StartupMemoryMax", "StartupMemoryLow", "StartupMemorySwapMax")

READERS: Final[dict[str, Read]] = {
    **dict.fromkeys(("CapabilityBoundingSet", "AmbientCapabilities"), _capabilities),
    **dict.fromkeys(("SystemCallFilter", "SystemCallLog"), _calls),
    "SystemCallArchitectures": _words(known=ARCHITECTURES, turned=False),
    "SystemCallErrorNumber": _error,
    "RestrictAddressFamilies": _words("none", known=frozenset(f"AF_{name}" for name in FAMILIES)),
    "RestrictNamespaces": _boolean_or_list(_words(known=NAMESPACES)),
    **dict.fromkeys(("IPAddressAllow", "IPAddressDeny"), _networks),
    "DeviceAllow": _device,
    "CPUAffinity": _set_of(_MOST_CPU, "numa"),
    **dict.fromkeys(("AllowedCPUs", "StartupAllowedCPUs"), _set_of(_MOST_CPU)),
    **dict.fromkeys(("AllowedMemoryNodes", "StartupAllowedMemoryNodes", "NUMAMask"), _set_of(_MOST_NODE, "all")),
    "NUMAPolicy": one_of("default", "preferred", "bind", "interleave", "local", "preferred-many"),
    "Personality": _words(known=ARCHITECTURES - {"native"}, turned=False),
    "LimitNICE": _nice,
    "SyslogFacility": one_of(*_FACILITIES),
    "Slice": _slice,
    **dict.fromkeys(("User", "Group"), _name),
    "SupplementaryGroups": _names,
    "Delegate": _boolean_or_list(_words(*_CONTROLLERS, turned=False)),
    "DisableControllers": _words(*_CONTROLLERS, turned=False),
    **dict.fromkeys(("ManagedOOMMemoryPressure", "ManagedOOMSwap"), one_of("auto", "kill")),
    "ManagedOOMPreference": one_of("none", "avoid", "omit"),
    "ManagedOOMMemoryPressureLimit": _pressure,
    **dict.fromkeys(_STARTUP, lambda value: values.systemd_size(value, _WHOLE_BYTES)),
    "StartupCPUWeight": _weight(1, 10000, "idle"),
    "StartupIOWeight": _weight(1, 10000),
    "BlockIOWeight": _weight(10, 1000),
    **dict.fromkeys(("IOReadBandwidthMax", "IOWriteBandwidthMax"), _of_device(_rate)),
    **dict.fromkeys(("IOReadIOPSMax", "IOWriteIOPSMax"), _of_device(_rate)),
    "IODeviceWeight": _of_device(_weight(1, 10000)),
    "IODeviceLatencyTargetSec": _of_device(values.systemd_duration_s),
    "PrivateUsers": _boolean_or("self", "identity", "full"),
    "ProtectControlGroups": _boolean_or("private", "strict"),
    **dict.fromkeys(("PrivateMounts", "MountAPIVFS"), _boolean_or()),
    "MountFlags": one_of("shared", "slave", "private"),
    "RuntimeDirectoryPreserve": _boolean_or("restart"),
    "MemoryPressureWatch": _boolean_or("auto", "skip"),
    "PassEnvironment": _variables,
    **dict.fromkeys(("LoadCredential", "LoadCredentialEncrypted"), _loaded),
    **dict.fromkeys(("SuccessExitStatus", "RestartPreventExitStatus", "RestartForceExitStatus"), _statuses),
    **dict.fromkeys(("SuccessActionExitStatus", "FailureActionExitStatus"), between(0, 255)),
    "ExecSearchPath": _search,
    "SetCredential": _assigned,
    "LogExtraFields": _fields,
    "BusName": _matches(r"[A-Za-z_][\w-]*(\.[A-Za-z_][\w-]*)+", "a name of the bus is like org.example.App"),
    "LogNamespace": _matches(r"[^/]+", "it is a name, not a path"),
    **dict.fromkeys(("TTYRows", "TTYColumns"), between(0, 2**16)),
    **dict.fromkeys(("SocketBindAllow", "SocketBindDeny"), _ports),
    **dict.fromkeys(("ExecStart", "ExecStartPre", "ExecStartPost", "ExecReload", "ExecStop", "ExecStopPost"), _command),
    "ExecCondition": _command,
    "SourcePath": _condition_path,
    "Documentation": _addresses,
    **dict.fromkeys(("OnFailureJobMode", "OnSuccessJobMode"), one_of(*_JOB_MODES)),
    **dict.fromkeys(("JoinsNamespaceOf", "PropagatesReloadTo", "ReloadPropagatedFrom"), units),
    **dict.fromkeys(("PropagatesStopTo", "StopPropagatedFrom"), units),
    **{f"{kind}{name}": _condition_path for kind in ("Condition", "Assert") for name in _PATH_CONDITIONS},
    **{
        f"{where}{name}": _journal_size
        for where in ("System", "Runtime")
        for name in ("MaxUse", "KeepFree", "MaxFileSize")
    },
    "Storage": one_of("volatile", "persistent", "auto", "none"),
}
