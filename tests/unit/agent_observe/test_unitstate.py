"""Units and facts: one question to systemd, and files of /proc read as they are."""

import pytest

from deployer.agent import facts, textfiles, unitstate
from deployer.agent.refusal import Refusal

ANSWER = """\
MainPID=812
NRestarts=2
Type=notify
Id=mariadb.service
LoadState=loaded
ActiveState=active
SubState=running
UnitFileState=enabled

Id=none.service
LoadState=not-found
ActiveState=inactive
SubState=dead
UnitFileState=
MainPID=0
NRestarts=0

Id=app.slice
LoadState=loaded
ActiveState=active
SubState=active
UnitFileState=static
"""


@pytest.fixture
def systemd(monkeypatch):
    asked = []

    def install(text):
        monkeypatch.setattr(unitstate, "output", lambda argv: asked.append(argv) or text)
        return asked

    return install


def test_all_units_are_asked_for_at_once_and_an_alias_keeps_the_name_it_was_asked_by(systemd):
    asked = systemd(ANSWER)
    found = unitstate.show(["mysql.service", "none.service", "app.slice"])
    assert len(asked) == 1
    assert asked[0][-3:] == ["mysql.service", "none.service", "app.slice"]
    assert found["mysql.service"] == {
        "type": "notify",
        "load": "loaded",
        "active": "active",
        "sub": "running",
        "enabled": "enabled",
        "main_pid": 812,
        "restarts": 2,
    }
    assert found["none.service"]["load"] == "not-found"
    assert found["app.slice"]["main_pid"] == 0


@pytest.mark.parametrize("name", ["--help", "app@.service", "*.service", "a b.service", "nginx", "", "a.service\n"])
def test_what_is_no_unit_is_not_asked_about(systemd, name):
    asked = systemd("")
    assert unitstate.show([name])[name]["load"] == "not-found"
    assert asked == []


@pytest.mark.parametrize("name", ["app@blog.service", "system-x\\x2dy.slice", "a_b-1.timer", "dev-sda1.device"])
def test_real_names_are(systemd, name):
    systemd("Id=x\nLoadState=loaded\n")
    assert unitstate.show([name])[name]["load"] == "loaded"


@pytest.mark.parametrize("text", [None, "", "Id=one.service\n"])
def test_a_systemd_that_does_not_answer_for_all_is_refused(systemd, text):
    systemd(text)
    with pytest.raises(Refusal) as caught:
        unitstate.show(["one.service", "two.service"])
    assert (caught.value.kind, caught.value.state) == ("unsupported", "untouched")


def test_no_units_no_question(systemd):
    asked = systemd("")
    assert unitstate.show([]) == {}
    assert asked == []


def test_a_tool_speaks_english_reads_nothing_and_may_be_missing_or_hang(monkeypatch):
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    assert unitstate.output(["sh", "-c", "cat; echo $LC_ALL; exit 3"]) == "C.UTF-8\n"
    assert unitstate.output(["/nowhere/tool"]) is None
    assert unitstate.output(["sleep", "5"], timeout_s=0.1) is None


@pytest.fixture
def files(monkeypatch):
    texts = {}
    monkeypatch.setattr(textfiles, "read", lambda path, limit_bytes=0: texts.get(path, ""))
    return texts


def test_memory_comes_from_meminfo_in_mib(files):
    files["/proc/meminfo"] = "MemTotal:        1048576 kB\nMemFree: 1 kB\nSwapTotal:       524288 kB\n"
    found = facts.gather()
    assert (found["memory_mib"], found["swap_mib"]) == (1024, 512)


def test_the_release_is_read_with_and_without_quotes(files):
    files["/etc/os-release"] = "# comment\nID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME='Debian 12'\n"
    found = facts.gather()
    assert (found["os_id"], found["os_version"], found["os_name"]) == ("debian", "12", "Debian 12")


@pytest.mark.parametrize(
    ("limits", "nr_open", "expected"),
    [
        ("Max open files            1024                 20000                files\n", "1048576", 20000),
        ("Max open files            1024                 unlimited            files\n", "1048576", 1048576),
        ("Max open files            1024                 2000000              files\n", "1048576", 1048576),
        ("", "1048576", 1048576),
        ("", "", None),
    ],
)
def test_the_hard_limit_of_files_is_what_pid_1_has_and_the_kernel_allows(files, limits, nr_open, expected):
    files["/proc/1/limits"] = "Limit Soft Limit Hard Limit Units\n" + limits
    files["/proc/sys/fs/nr_open"] = nr_open + "\n"
    assert facts.gather()["nofile_hard"] == expected


def test_facts_that_cannot_be_read_are_none(files):
    found = facts.gather()
    assert found["memory_mib"] is None
    assert found["os_id"] is None
    assert found["somaxconn"] is None
