"""What is read of a host by hand: names and numbers out of configs, and never a secret."""

from __future__ import annotations

import json
import os
import socket

import pytest

from deployer.agent import listening, survey, surveycron, surveyfiles, surveypostgresql, surveysites, surveystores
from deployer.agent.mariadb import both_ways

CONFIG = """
upstream app { server 127.0.0.1:8001 weight=2; server unix:/run/app.sock; }
map $http_k $known { default 0; "hunter2" 1; }
server {  # a comment with } and { in it
    listen 443 ssl; listen [::]:443 ssl;
    server_name blog.example "www.blog.example";
    ssl_certificate /etc/a.pem; ssl_certificate_key /etc/a.key;
    location ~ "^/x{2}" { root /srv/x; }
    location / { proxy_set_header Authorization "hunter2"; proxy_pass http://admin:hunter2@app/path; }
    location /one { proxy_pass http://127.0.0.1:9000; }
    location /sock { fastcgi_pass unix:/run/php.sock; }
    location /var { proxy_pass http://$where; }
}
server { listen 8080 default_server; return 200 "server { server_name no.example; }"; }
"""


def told(text):
    upstreams = dict(surveysites._upstreams(text))
    return [surveysites._told("/etc/nginx/x", site, upstreams) for site in surveysites.servers(text)]


def test_a_site_is_told_by_its_directives_and_an_upstream_by_its_servers():
    first, second = told(CONFIG)
    assert first["names"] == ["blog.example", "www.blog.example"]
    assert first["listens"] == ["443", "[::]:443"]
    assert first["roots"] == ["/srv/x"]
    assert (first["certificates"], first["keys"]) == (["/etc/a.pem"], ["/etc/a.key"])
    assert first["passes"] == ["127.0.0.1:8001", "/run/app.sock", "127.0.0.1:9000", "$where", "/run/php.sock"]
    assert (second["names"], second["listens"]) == ([], ["8080"])
    assert "hunter2" not in json.dumps([first, second])


@pytest.mark.parametrize(
    "text", ["server {", "}}}} server { listen 80; }", 'server { listen "80', "upstream {}", ";{};"]
)
def test_a_config_that_is_none_ends(text):
    told(text)


def test_cron_is_told_without_arguments_and_variables():
    jobs = ["17 3 * * * root PASS=hunter2 mysqldump -phunter2 blog", "@daily root /usr/bin/x y"]
    text = "\n".join(["# 1 2 3 4 5 root no", "MAILTO=me", *jobs])
    found = surveycron.read("/etc/cron.d/x", text, "")
    assert [(one["line"], one["when"], one["user"], one["program"]) for one in found] == [
        (3, "17 3 * * *", "root", "mysqldump"),
        (4, "@daily", "root", "/usr/bin/x"),
    ]
    assert surveycron.read("/x", "1 2 * * 1-5 'hunter2'", "ann")[0]["program"] == ""


def test_a_cron_entry_without_a_program_is_none():
    assert surveycron.read("/etc/cron.d/site", "* * * * *  \n@daily \t \n* * * * * root  \n", "") == [
        {"file": "/etc/cron.d/site", "line": 3, "when": "* * * * *", "user": "root", "program": ""}
    ]


def test_only_settings_of_the_server_are_read_and_the_order_of_files_is_told():
    first = "[client]\npassword = hunter2\n[mysqld]\nmax-connections=7 # more\n"
    text = first + "!includedir /x\n[mariadb-10.11]\nloose_a = 'b'"
    found = list(surveystores.read("/etc/mysql/my.cnf", text))
    assert [(one["name"], one["value"], one["line"], one["after_include"]) for one in found] == [
        ("max_connections", "7", 4, False),
        ("a", "b", 7, True),
    ]


def test_where_postgresql_reads_its_folder_is_found_and_a_comment_is_none():
    text = "max_connections = 7\n#include_dir = 'conf.d'\n include_dir = 'conf.d'\t# Debian's\n"
    assert surveypostgresql.folder_line(text) == 3
    assert surveypostgresql.folder_line("include_dir = 'mine'\n") == 0


def test_sqlite_files_near_a_service_and_held_open_are_found_by_their_first_bytes(tmp_path, monkeypatch):
    near, venv, other = tmp_path / "a/blog.db", tmp_path / "venv/lib.db", tmp_path / "a/notes.db"
    for path in (near, venv, other):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(surveyfiles.MAGIC + b"x" * 5000)
    other.write_bytes(b"no database")
    held = tmp_path.parent / f"{tmp_path.name}-elsewhere"
    held.write_bytes(surveyfiles.MAGIC)
    (tmp_path / "a/link.db").symlink_to(near)
    monkeypatch.setattr(listening, "unit_of", lambda pid: "mine.service" if pid == os.getpid() else "")
    with held.open("rb"):
        found = surveyfiles.sqlite({"mine.service": str(tmp_path)})
    assert [(one["file"], one["unit"]) for one in found] == [(str(held), "mine.service"), (str(near), "mine.service")][
        :: 1 if str(held) < str(near) else -1
    ]
    assert surveyfiles.sqlite({"other.service": "/"}) == []


def test_who_listens_is_found_by_port_and_by_path(tmp_path):
    with socket.socket() as port, socket.socket(socket.AF_UNIX) as path:
        port.bind(("127.0.0.1", 0))
        port.listen()
        path.bind(str(tmp_path / "s"))
        path.listen()
        found = listening.sockets()
        mine = [one for one in found if one["port"] == port.getsockname()[1]]
        assert (mine[0]["address"], bool(mine[0]["process"])) == ("127.0.0.1", True)
        assert any(one["path"] == str(tmp_path / "s") for one in found)


def test_a_module_is_guessed_only_if_it_is_a_file_and_nothing_else_is_told(tmp_path, monkeypatch):
    (tmp_path / "app.py").write_text("")
    words = ["gunicorn", "--user", "app:app", "--bind", "localhost:80", "admin:hunter2", "app:application"]
    monkeypatch.setattr(survey.textfiles, "read", lambda _path: "\0".join(words))
    monkeypatch.setattr(os, "readlink", lambda _path: str(tmp_path))
    assert survey.module_of("1") == "app:application"
    assert survey.module_of("") == ""


HASH = "'*" + "A" * 40 + "'"


@pytest.mark.parametrize(
    ("shown", "former"),
    [
        (f"CREATE USER `b`@`localhost` IDENTIFIED BY PASSWORD {HASH}", f"mysql_native_password USING {HASH}"),
        ("CREATE USER `b`@`localhost` IDENTIFIED VIA unix_socket REQUIRE SSL", "unix_socket"),
        ("CREATE USER `b`@`localhost` IDENTIFIED VIA a USING 'x' OR b WITH MAX_USER_CONNECTIONS 3", "a USING 'x' OR b"),
    ],
)  # fmt: skip
def test_a_user_can_log_in_by_the_secret_and_as_before(shown, former):
    login = both_ways(shown, "newpassword")
    assert login == (
        "IDENTIFIED VIA mysql_native_password USING '*FE4F2D624C07AAEBB979DA5C980D0250C37D8F63' OR " + former
    )
    assert both_ways(f"CREATE USER `b`@`localhost` {login}", "newpassword") == login  # again is no third way


def test_a_user_without_a_password_has_none_to_be_kept():
    assert both_ways("CREATE USER `b`@`localhost`", "newpassword") == ""
