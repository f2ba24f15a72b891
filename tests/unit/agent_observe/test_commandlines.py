"""What programs and the next boot were told beside the configs: what is said last counts, and no secret is told."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from deployer.agent import bootsysctls, commandlines, places, unitstate


@pytest.mark.parametrize(
    ("argv", "environ", "found"),
    [
        (["mysqld", "--max_connections=19"], [], {"--max-connections": "19"}),
        (["mysqld", "--max-connections", "19", "--max-connections=20"], [], {"--max-connections": "20"}),
        (["postgres", "-D", "/x", "-c", "max_connections=7"], [], {"--max-connections": "7"}),
        (["java", "-Xmx900m", "-jar", "x.jar"], [], {"-Xmx": "900m"}),
        (["java", "-Xmx900m"], ["_JAVA_OPTIONS=-Xmx2g"], {"-Xmx": "2g"}),
        (["java", "-Xmx900m"], ["JAVA_TOOL_OPTIONS=-Xmx2g"], {"-Xmx": "900m"}),
        (["node", "x.js"], ["NODE_OPTIONS=--max-old-space-size=99"], {"--max-old-space-size": "99"}),
        (["node", "--max-old-space-size=98"], ["NODE_OPTIONS=--max-old-space-size=99"], {"--max-old-space-size": "98"}),
        (["gunicorn", "-w", "3"], ["GUNICORN_CMD_ARGS=-w 9 'a"], {"-w": "3"}),
        (["shop"], ["GOMEMLIMIT=50MiB", "PATH=/bin"], {"GOMEMLIMIT": "50MiB"}),
        (["max_connections=9", "GOMEMLIMIT=1"], ["--max-connections=9"], {}),
    ],
)
def test_options_and_variables_are_read_as_the_program_reads_them(
    argv: list[str], environ: list[str], found: dict[str, str]
) -> None:
    names = ["--max-connections", "-Xmx", "--max-old-space-size", "-w", "GOMEMLIMIT"]
    assert commandlines.told(argv, environ, names) == found


def test_only_plain_values_of_what_is_asked_for_are_told() -> None:
    argv = ["mysqld", "--max-connections=a b", "--datadir=/var/lib/mysql", "--bind-address=" + "1" * 50, "--x=1"]
    assert commandlines.told(argv, [], ["--max-connections", "--datadir", "--bind-address"]) == {}


def test_a_process_s_own_words_are_read_and_no_secret_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = ["--admin-password=hunter2", "--api-key=hunter2"]
    words = [sys.executable, "-c", "print(flush=True); input()", "--max-connections=19", *secrets]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = subprocess.Popen(words, **pipes, env={**os.environ, "DB_POOL_SIZE": "5"})
    try:
        assert process.stdout is not None
        process.stdout.readline()  # it runs
        monkeypatch.setattr(unitstate, "show", lambda units: {unit: {"main_pid": process.pid} for unit in units})
        names = ["--max-connections", "--admin-password", "--api-key", "DB_POOL_SIZE", "../x"]
        asked: dict[str, Any] = {"units": {"a.service": names, "../b.service": names, "a.slice": names}}
        told = commandlines.read(asked, [])
    finally:
        process.communicate(b"\n")
    assert told["values"] == {"a.service": {"--max-connections": "19", "DB_POOL_SIZE": "5"}}


def test_the_last_file_has_the_last_word_and_the_first_folder_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "ROOT", str(tmp_path))
    for path, text in {
        "etc/sysctl.d/60-deployer.conf": "net.core.somaxconn = 4096\nvm.swappiness = 10\n",
        "usr/lib/sysctl.d/60-deployer.conf": "vm.swappiness = 1\n",
        "etc/sysctl.d/99-own.conf": "# net.core.somaxconn = 1\n-net/core/somaxconn=128\nkernel.secret = 1\n",
        "usr/lib/sysctl.d/50-default.conf": "vm.swappiness = 60\n",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    assert bootsysctls.observe(["net.core.somaxconn", "vm.swappiness", "vm.overcommit_memory"]) == {
        "net.core.somaxconn": {"file": "/etc/sysctl.d/99-own.conf", "value": "128"},
        "vm.swappiness": {"file": "/etc/sysctl.d/60-deployer.conf", "value": "10"},
    }
