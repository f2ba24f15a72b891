"""Facts about kernel and programs: what the files of real hosts say, and nothing where they are missing."""

import pytest

from deployer.agent import cgroups, facts, kernelfacts, programs, textfiles, unitstate

SWAPS = """\
Filename				Type		Size		Used		Priority
/dev/zram0                              partition	524284		1024		100
/swapfile                               file		1048572		0		-2
/dev/vda2                               partition	2097148		0		-3
broken line
"""


@pytest.fixture
def files(monkeypatch):
    texts = {}
    monkeypatch.setattr(textfiles, "read", lambda path, limit_bytes=0: texts.get(path, ""))
    return texts


def test_swap_devices_are_told_apart(files):
    files["/proc/swaps"] = SWAPS
    found = kernelfacts.gather()["swaps"]
    assert [(one["kind"], one["size_mib"], one["used_mib"], one["priority"]) for one in found] == [
        ("zram", 511, 1, 100),
        ("file", 1023, 0, -2),
        ("partition", 2047, 0, -3),
    ]


def test_endless_lists_are_cut(files):
    files["/proc/swaps"] = "head\n" + "/swap file 1024 0 -2\n" * 1000
    assert len(kernelfacts.gather()["swaps"]) == kernelfacts.SWAPS_LIMIT


def test_settings_that_the_budget_looks_at(files):
    files |= {
        "/proc/sys/net/core/somaxconn": "4096\n",
        "/proc/sys/vm/overcommit_memory": "1\n",
        "/proc/sys/net/ipv4/ip_local_port_range": "32768\t60999\n",
        "/proc/sys/net/ipv4/ip_local_reserved_ports": "3000-3007,8080\n",
        "/sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never\n",
    }
    found = kernelfacts.gather()
    assert (found["somaxconn"], found["overcommit_memory"]) == (4096, 1)
    assert (found["ip_local_port_range"], found["ip_local_reserved_ports"]) == ([32768, 60999], "3000-3007,8080")
    assert found["transparent_hugepages"] == "madvise"


def test_no_reserved_port_is_not_the_same_as_not_known(files):
    files["/proc/sys/net/ipv4/ip_local_reserved_ports"] = "\n"
    assert kernelfacts.gather()["ip_local_reserved_ports"] == ""


def test_where_nothing_can_be_read_nothing_is_claimed(files, monkeypatch):
    monkeypatch.setattr(kernelfacts.cgroups, "V1", "/nowhere")
    monkeypatch.setattr(programs, "_path", lambda program: None)
    found = facts.gather()
    assert found["swaps"] == []
    assert (found["memory_controller"], found["swap_accounted"]) == (False, False)
    unknown = ["overcommit_memory", "transparent_hugepages", "ip_local_port_range", "ip_local_reserved_ports"]
    assert [found[name] for name in (*unknown, "openssl", "node", "java")] == [None] * 7


@pytest.mark.parametrize(("controllers", "there"), [("cpu io memory pids\n", True), ("cpu io pids\n", False)])
def test_a_kernel_may_lack_the_memory_controller(tmp_path, monkeypatch, controllers, there):
    (tmp_path / "cgroup.controllers").write_text(controllers)
    (tmp_path / "system.slice").mkdir()
    (tmp_path / "system.slice/memory.max").write_text("max\n")
    monkeypatch.setattr(cgroups, "V2", str(tmp_path))
    monkeypatch.setattr(cgroups, "version", lambda: "v2")
    found = kernelfacts.gather()
    assert (found["memory_controller"], found["swap_accounted"]) == (there, False)
    (tmp_path / "system.slice/memory.swap.max").write_text("max\n")
    assert kernelfacts.gather()["swap_accounted"] is there


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("OpenSSL 3.0.19 27 Jan 2026 (Library: OpenSSL 3.0.19 27 Jan 2026)\n", "3.0.19"),
        ("OpenSSL 1.1.1w  11 Sep 2023\n", "1.1.1w"),
        ("v20.20.2\n", "20.20.2"),
        ("openjdk 17.0.15 2025-04-15\n", "17.0.15"),
        ("command broken\n", None),
        (None, None),
    ],
)
def test_a_version_is_what_a_program_says_first(monkeypatch, said, version):
    monkeypatch.setattr(programs, "_path", lambda program: "/usr/bin/" + program)
    monkeypatch.setattr(unitstate, "output", lambda argv, **_: said)
    assert programs._said("any") == version


def test_java_is_not_started_where_a_file_tells(tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/java").touch()
    (tmp_path / "release").write_text('IMPLEMENTOR="Debian"\nJAVA_VERSION="21.0.4"\n')
    (tmp_path / "java").symlink_to(tmp_path / "bin/java")
    monkeypatch.setattr(programs, "_path", lambda program: str(tmp_path / "java") if program == "java" else None)
    monkeypatch.setattr(unitstate, "output", lambda argv, **_: pytest.fail(f"{argv} was started"))
    assert programs.gather()["java"] == "21.0.4"
