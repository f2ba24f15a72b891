"""Reports as files: JSON, a page, JUnit's XML; and the task that reads them again."""

import json
from xml.etree import ElementTree as ET

import pytest
from samples_of_load import SLO, TARGET, all_phases, host

from deployer.cli import CommandLine
from deployer.errors import UsageError
from deployer.report.junit import junit
from deployer.report.reports import write_reports
from deployer.report.verdicts import Run
from deployer.tasks import namespace
from deployer.verify import report
from deployer.verify.judge import judge

EMPTY = {"latency": {"counts": [[5, 1]], "max_us": 5, "sum_us": 5}}


def document(**over):
    whole = {name: {**EMPTY, **over.get(name, {})} for name in ("hold", "cached", "capacity", "open")}
    verdict = judge(all_phases(**whole), host(), TARGET, SLO, duration_s=41.3)
    return report.document(verdict, started_at="2026-01-01T00:00:00+00:00", host="web1")


def test_junit_counts_what_was_missed_and_what_nobody_could_tell():
    missed = document(cached={"p95_ms": 900.0}, open={"late_p99_ms": 300.0})
    [suite] = ET.fromstring(junit(Run.of(missed)))
    assert {key: suite.get(key) for key in ("tests", "failures", "skipped", "errors")} == {
        "tests": "8",
        "failures": "1",
        "skipped": "1",
        "errors": "0",
    }
    [failure] = suite.iter("failure")
    assert failure.get("message") == "wanted ≤ 200.0 ms, measured 900.0 ms"
    [skipped] = suite.iter("skipped")
    assert "the generator was late" in skipped.get("message")
    assert len(list(suite.iter("testcase"))) == 8


def test_junit_is_xml_whatever_the_texts_hold():
    odd = document()
    odd["host"] = 'a\x00b\x1b[31m<&>"]]>'
    odd["lines"][0]["name"] = odd["lines"][0]["why"] = "\x08\ufffe<failure/>"
    [suite] = ET.fromstring(junit(Run.of(odd)).encode())
    assert not list(suite.iter("failure"))


def test_the_name_of_the_file_says_its_form(tmp_path):
    one = document()
    for name, begins in (("r.html", "<!doctype html>"), ("r.xml", "<?xml"), ("r.json", "{"), ("r", "{")):
        write_reports(tmp_path / "deep" / name, [one])
        assert (tmp_path / "deep" / name).read_text().startswith(begins)
    assert json.loads((tmp_path / "deep" / "r.json").read_text()) == one


def test_two_runs_have_no_form_but_a_page(tmp_path):
    write_reports(tmp_path / "r.html", [document(), document()])
    with pytest.raises(UsageError, match="only be written as a page"):
        write_reports(tmp_path / "r.xml", [document(), document()])


def test_a_file_that_cannot_be_written_is_an_error_in_words(tmp_path):
    with pytest.raises(UsageError, match="cannot be written"):
        write_reports(tmp_path, [document()])


def run(*words):
    try:
        CommandLine(namespace=namespace, version="0").run(["deployer", "report", *words])
    except SystemExit as ended:
        return ended.code
    return 0


def test_the_task_shows_a_report_and_writes_a_page(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")  # words of narrower tables stand on two lines
    (tmp_path / "a.json").write_text(json.dumps(document()))
    (tmp_path / "b.json").write_text(json.dumps(document(cached={"p95_ms": 900.0})))
    assert not run("--file", f"{tmp_path}/a.json")
    assert "connections held" in capsys.readouterr().out
    assert not run("--compare", f"{tmp_path}/a.json,{tmp_path}/b.json", "--out", f"{tmp_path}/page.html")
    assert "kept → missed" in capsys.readouterr().out
    assert "+800% worse" in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize(
    "words", [(), ("--file", "a", "--compare", "a,b"), ("--compare", "a"), ("--file", "/nowhere/at/all")], ids=str
)
def test_what_the_task_cannot_do_is_an_error_in_words(words, capsys):
    assert run(*words) == 2
    assert "error:" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "\xff", "null", "{}"], ids=lambda text: repr(text[:5]))
def test_a_file_that_is_no_report_is_an_error_in_words(tmp_path, text, capsys):
    (tmp_path / "a.json").write_bytes(text.encode("latin-1"))
    assert run("--file", f"{tmp_path}/a.json") == 2
    assert "Traceback" not in capsys.readouterr().err
