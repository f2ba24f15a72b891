"""Statements without their values, a slow log, and what counts as set."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployer.agent import command, mysqlclient, mysqlset, mysqlstatements, mysqlwatch
from deployer.agent.refusal import Refusal

SLOW_LOG = """\
/usr/sbin/mariadbd, Version: 10.11.19-MariaDB-0+deb12u1 (Debian 12). started with:
Tcp port: 0  Unix socket: /run/mysqld/mysqld.sock
Time		    Id Command	Argument
# Time: 261122  0:26:00
# User@Host: root[root] @ localhost []
# Thread_id: 31  Schema: blog  QC_hit: No
# Query_time: 0.500000  Lock_time: 0.000010  Rows_sent: 1  Rows_examined: 60000
# Rows_affected: 0  Bytes_sent: 74
use blog;
SET timestamp=1795307160;
SELECT COUNT(*) FROM big WHERE email = 'a@x.example';
# User@Host: root[root] @ localhost []
# Thread_id: 31  Schema: blog  QC_hit: No
# Query_time: 0.250000  Lock_time: 0.000010  Rows_sent: 1  Rows_examined: 60000
# Rows_affected: 0  Bytes_sent: 74
SET timestamp=1795307161;
SELECT COUNT(*) FROM big
WHERE email = 'b@x.example';
# User@Host: root[root] @ localhost []
# Thread_id: 32  Schema: blog  QC_hit: No
# Query_time: 0.100000  Lock_time: 0.000010  Rows_sent: 9  Rows_examined: 9
SET timestamp=1795307162;
SELECT 1;
"""


@pytest.mark.parametrize(
    ("text", "digest"),
    [
        ("SELECT * FROM t WHERE a = 'it''s' AND b = \"x\\\"y\"", "SELECT * FROM t WHERE a = ? AND b = ?"),
        ("SELECT a1, `b2` FROM t3 WHERE c = -12.5e3 -- 'no'\n AND d = 0xff", None),
        ("INSERT INTO t VALUES (1, 'a'), (2, 'b')", "INSERT INTO t VALUES (...)"),
        (
            "SELECT x FROM t WHERE id IN (1, 2, 3) /* secret 'x' */ LIMIT 5;",
            "SELECT x FROM t WHERE id IN (...) LIMIT ?",
        ),
        ("SELECT '# no comment', 7", "SELECT ?, ?"),
        ("UPDATE t SET a = 'whole', b = 'a text that was cut where it wa", "UPDATE t SET a = ?, b = ?"),
        ("UPDATE t SET b = 'it''s cut at a sign of its own\\", "UPDATE t SET b = ?"),
        ('UPDATE t SET b = "cut', "UPDATE t SET b = ?"),
        ("UPDATE t SET b = 1 /* for 'somebody", "UPDATE t SET b = ?"),
        ("SELECT `user's name` FROM t WHERE b = 'secret'", "SELECT `user's name` FROM t WHERE b = ?"),
    ],
)
def test_a_digest_has_no_values(text: str, digest: str | None) -> None:
    wanted = digest or "SELECT a1, `b2` FROM t3 WHERE c = ? AND d = ?"
    assert mysqlstatements.digest(text) == wanted


def test_the_entries_of_a_slow_log_are_added_up_by_statement() -> None:
    first, second = mysqlstatements.slow_statements(SLOW_LOG)
    assert first["digest"] == "SELECT COUNT(*) FROM big WHERE email = ?"
    assert (first["database"], first["count"], first["seconds"]) == ("blog", 2, 0.75)
    assert (first["rows_examined"], first["rows_sent"]) == (120_000, 2)
    assert first["text"].endswith("'b@x.example'")
    assert second["digest"] == "SELECT ?"


def test_a_line_of_a_statement_that_looks_like_one_of_the_log_stays_in_it() -> None:
    entry = "# Query_time: 1.0  Lock_time: 0.0  Rows_sent: 0  Rows_examined: 1\nuse blog;\nSET timestamp=1;\n"
    text = "INSERT INTO t VALUES ('a\n# b', 'c\nuse d', 'secret');\n"
    [one] = mysqlstatements.slow_statements(f"# User@Host: blog[blog]\n{entry}{text}# Time: 261122  0:26:00\n")
    assert one["text"] == text.rstrip(";\n")
    assert one["digest"] == "INSERT INTO t VALUES (...)"


def test_the_last_row_may_end_in_an_empty_column_and_a_value_may_hold_any_sign(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = tmp_path / "mariadb"
    client.write_text("#!/bin/sh\nprintf 'digest\\ta\\342\\200\\250b\\014c\\t1\\ndigest\\td\\t\\n'\n")
    client.chmod(0o755)
    monkeypatch.setitem(command.ENVIRONMENT, "PATH", str(tmp_path))
    monkeypatch.setattr(mysqlclient, "SOCKET", str(tmp_path))
    found = mysqlclient.rows("SELECT 1;\n", timeout_s=10.0)
    assert found == [["digest", "a\u2028b\x0cc", "1"], ["digest", "d", ""]]
    client.write_text("#!/bin/sh\n")
    assert mysqlclient.rows("DO 1;\n", timeout_s=10.0) == []


@pytest.mark.parametrize("up", ["", "/var/lib/mysql/../../.."])
def test_a_slow_log_elsewhere_is_not_read(up: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "slow.log").write_text(SLOW_LOG)
    variables = {"slow_query_log_file": f"{up}{tmp_path}/slow.log", "datadir": "/var/lib/mysql/"}
    assert not mysqlstatements._of_slow_log(variables)
    variables["slow_query_log_file"] = f"{tmp_path}/slow.log"
    monkeypatch.setattr(mysqlstatements, "FOLDERS", (f"{tmp_path}/",))
    assert len(mysqlstatements._of_slow_log(variables)) == 2
    (tmp_path / "slow.log").rename(tmp_path / "elsewhere")
    (tmp_path / "slow.log").symlink_to(tmp_path / "elsewhere")
    assert not mysqlstatements._of_slow_log(variables)


def test_only_statements_of_the_apps_are_told_and_only_without_their_values() -> None:
    seen = [("blog", "SELECT 'secret'"), ("mysql", "SELECT 'root'"), ("blog", "SELECT 'other'")]
    databases = [{"name": "blog", "user": "blog", "secret_path": "/etc/passwd"}]
    told = mysqlstatements.hottest("mariadb", {}, seen, databases)
    [one] = told["found"]
    assert (one["digest"], one["count"], one["explain"]) == ("SELECT ?", 2, [])
    assert "secret" not in str(told)


def test_values_are_made_up_where_a_digest_has_none() -> None:
    shape = "SELECT a FROM t WHERE b = ? AND c IN (...) ORDER BY d LIMIT ?, ?"
    assert mysqlstatements._filled(shape) == "SELECT a FROM t WHERE b = '1' AND c IN ('1') ORDER BY d LIMIT 1"


@pytest.mark.parametrize(
    ("wanted", "found"),
    [("OFF", "0"), ("1", "ON"), ("10", "10"), ("184549376", "184545280"), ("100000", "99999")],
)
def test_a_server_may_round_a_size_down_to_whole_blocks(wanted: str, found: str) -> None:
    assert mysqlset.takes(wanted, found)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("10", "11"),
        ("10", None),
        ("184549376", "134217728"),
        ("184549376", "188743680"),
        ("utf8mb4", "latin1"),
        ("60000", "59999"),
    ],
)
def test_anything_else_is_not_what_was_asked_for(wanted: str, found: str | None) -> None:
    assert not mysqlset.takes(wanted, found)


@pytest.mark.parametrize("setting", [("a; DROP DATABASE x", "1"), ("sort_buffer_size", "1; SELECT 1"), ("x", "'y'")])
def test_what_is_no_setting_never_reaches_a_server(setting: tuple[str, str]) -> None:
    name, value = setting
    with pytest.raises(Refusal, match="not a setting"):
        mysqlset.run({"settings": [{"name": name, "value": value}]})


def test_a_config_file_is_read_as_the_server_reads_it() -> None:
    text = "[mysqld]\nmax-connections = 500 # more\nskip_name_resolve\nloose_x='16M'\n# y = 1\n"
    found = dict(mysqlwatch.said(text))
    assert (found["max_connections"], found["skip_name_resolve"], found["x"]) == ("500", "ON", "16M")
    assert "y" not in found
