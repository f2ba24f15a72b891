"""Settings of the kernel, on files that stand for it: what is changed, what is noted, what is put back."""

import pytest

from deployer.agent import places, sysctls
from deployer.agent.journal import Journal
from deployer.agent.outcome import Attempt, Outcome
from deployer.agent.refusal import Refusal


@pytest.fixture(autouse=True)
def kernel(tmp_path, monkeypatch):
    monkeypatch.setattr(places, "ROOT", str(tmp_path))
    folder = tmp_path / "proc/sys/net/core"
    folder.mkdir(parents=True)
    (folder / "somaxconn").write_text("128\n")
    (folder / "range").write_text("32768\t60999\n")
    return folder


def settle(*wanted):
    record = Journal.create("t1", "me")
    sysctls.settle([dict(zip(("name", "value", "least"), one, strict=False)) for one in wanted], record)
    return record


def test_what_differs_is_written_and_what_does_not_is_not_noted(kernel):
    record = settle(("net.core.somaxconn", "4096"), ("net.core.range", "32768 60999"))
    assert (kernel / "somaxconn").read_text() == "4096\n"
    assert record.doc["sysctls"] == [{"name": "net.core.somaxconn", "before": "128"}]
    assert Journal.load("t1").doc["sysctls"] == record.doc["sysctls"]
    assert (record.doc["notes"], record.doc["refused_sysctls"]) == ([], {})


@pytest.mark.parametrize(
    ("running", "wanted", "enough"),
    [("4096", "128", True), ("128", "128", True), ("64", "128", False), ("on", "128", False), ("1000", "128", True)],
)
def test_the_least_is_compared_as_a_number(running, wanted, enough):
    assert sysctls.is_enough(running, wanted, least=True) is enough
    assert sysctls.is_enough(running, wanted, least=False) is (running == wanted)


def test_a_return_writes_the_first_value_whatever_became_of_it(kernel):
    record = settle(("net.core.somaxconn", "4096"), ("net.core.somaxconn", "8192"))
    for _ in range(2):
        outcome = Outcome()
        sysctls.put_back(record, Attempt(outcome))
        assert outcome.problems == []
        assert (kernel / "somaxconn").read_text() == "128\n"


def test_a_return_undoes_what_a_boot_made_of_the_new_files(kernel):
    record = Journal.create("t1", "me")
    sysctls.note([{"name": "net.core.somaxconn", "value": "4096"}, {"name": "net.core.none", "value": "1"}], record)
    assert Journal.load("t1").doc["sysctls"] == [{"name": "net.core.somaxconn", "before": "128"}]
    (kernel / "somaxconn").write_text("4096\n")  # the power was cut right after the swap
    sysctls.put_back(record, Attempt(Outcome()))
    assert (kernel / "somaxconn").read_text() == "128\n"


def test_a_return_that_is_refused_is_told_with_what_to_do(kernel):
    record = settle(("net.core.somaxconn", "4096"))
    (kernel / "somaxconn").unlink()
    (kernel / "somaxconn").mkdir()
    outcome = Outcome()
    sysctls.put_back(record, Attempt(outcome))
    assert outcome.problems == ["net.core.somaxconn cannot be put back: Is a directory"]
    assert outcome.commands == ["sysctl -w net.core.somaxconn='128'"]


def test_what_the_kernel_bends_is_put_back_and_noted(kernel, monkeypatch):
    write = sysctls._write
    monkeypatch.setattr(sysctls, "_write", lambda name, value: write(name, str(min(int(value), 1000))))
    record = settle(("net.core.somaxconn", "4096"))
    assert (kernel / "somaxconn").read_text() == "128\n"
    [note] = record.doc["notes"]
    assert note == "net.core.somaxconn = 4096 is refused: the kernel makes 1000 of it; it stays 128"
    assert record.doc["refused_sysctls"] == {"net.core.somaxconn": "4096"}


@pytest.mark.parametrize(
    "name", ["", "somaxconn", "net", "net/core/somaxconn", "net..core", "net.core.", "../x", "dev.cdrom", "net.a\n", 7]
)
def test_a_name_that_is_none_is_refused(name):
    with pytest.raises(Refusal, match="not a setting"):
        sysctls.observe([name], {})


@pytest.mark.parametrize("value", ["", "1\n2", "1;2", "$(x)", "a" * 65, 1, " 1", "|/bin/sh"])
def test_a_value_that_is_none_is_refused(value, kernel):
    with pytest.raises(Refusal, match="not a value"):
        settle(("net.core.somaxconn", value))
    assert (kernel / "somaxconn").read_text() == "128\n"
