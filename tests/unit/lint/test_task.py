"""invoke lint from outside: exit codes, the document, and files that are no config."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
FOLKLORE = Path(__file__).parent / "folklore"


def lint(*words, cwd=ROOT, columns=100):
    argv = [sys.executable, "-m", "invoke", "lint", "--host", "blog1", *map(str, words)]
    surroundings = {**os.environ, "COLUMNS": str(columns)}
    return subprocess.run(argv, capture_output=True, text=True, cwd=cwd, check=False, env=surroundings)


def test_a_file_that_the_host_cannot_carry_ends_with_3_and_a_table():
    done = lint("--file", FOLKLORE / "nginx.conf")
    assert done.returncode == 3
    assert "as nginx 1.22 on blog1 would take it" in done.stdout
    assert "1 over budget, 1 ignored, 2 dangerous, 1 deprecated" in done.stdout


def test_what_to_write_instead_is_whole_in_a_narrow_terminal_too(tmp_path):
    unit = tmp_path / "a.service"
    unit.write_text("[Service]\nExecStart=node --max-old-space-size=900 a.js\nCapabilityBoundingSet=NET_RAW\n")
    done = lint("--file", unit, columns=80)
    assert {"--max-semi-space-size=8", "CapabilityBoundingSet"} <= set(done.stdout.split())
    assert max(map(len, done.stdout.splitlines()[1:])) <= 80


def test_a_file_that_is_only_unwise_ends_with_0():
    done = lint("--file", FOLKLORE / "no-swap.service")
    assert (done.returncode, "1 dangerous" in done.stdout) == (0, True)


def test_our_own_config_has_nothing_wrong():
    done = lint("--file", ROOT / "tests/golden/blog1/etc/nginx/nginx.conf")
    assert (done.returncode, "nothing is wrong with it" in done.stdout) == (0, True)


def test_the_document_has_who_reads_it_and_whether_that_was_asked():
    done = lint("--json", "--file", FOLKLORE / "query-cache.cnf", "--dialect", "mycnf/mysql/8.4")
    found = json.loads(done.stdout)
    assert done.returncode == 3
    assert (found["schema"], found["dialect"], found["flavour"]) == ("deployer/lint/1", "mycnf", "mysql")
    assert (found["version"], found["proven"]) == ("8.4", False)
    first = found["findings"][0]
    assert set(first) == {"kind", "name", "file", "line", "message", "because", "instead"}
    assert (first["kind"], first["name"], first["line"]) == ("fatal", "query_cache_type", 2)


def written(folder, name, content: bytes):
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("my.cnf", b"", "is empty"),
        ("my.cnf", b" \n\n", "is empty"),
        ("my.cnf", b"[mysqld]\na=\xff\xfe", "is no text: byte 11, in line 2"),
        ("my.cnf", b"\x7fELF\x02\x01\x01\x00\x00", "zero byte"),
        ("my.cnf", b"#" * 50_000_000, "is larger than 1024 KiB"),
        ("notes.txt", b"buy milk\n", "nobody can tell what"),
        ("my.cnf", b"a=1\n", "stands before the first [group]"),
        ("gunicorn.conf.py", b"(" * 100_000, "this is not Python"),
        ("nginx.conf", b"a{" * 100_000, "nested more than 32 levels"),
    ],
)
def test_a_file_that_is_no_config_is_one_clear_error(tmp_path, name, content, said):
    done = lint("--file", written(tmp_path, name, content))
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "--file is missing"),
        (("--file", "nowhere.cnf"), "nowhere.cnf is not there"),
        (("--file", "/etc"), "/etc is no file"),
        (("--file", "/dev/zero"), "/dev/zero is no file"),
        (("--file", "tasks.py", "--dialect", "perl"), "there is no dialect 'perl'"),
        (
            ("--file", "tests/unit/lint/folklore/relaxed.cnf", "--dialect", "mycnf/oracle/19"),
            "no registry for mycnf/oracle",
        ),
    ],
)
def test_a_command_line_that_names_no_config_is_one_clear_error(words, said):
    done = lint(*words)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
