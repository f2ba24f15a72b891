"""Secrets of configs by hand: nobody is told what looks like one, and what is none can be read."""

from __future__ import annotations

import pytest

from deployer.masking import MASK, masked
from deployer.plan.difference import _diff


@pytest.mark.parametrize(
    ("line", "secret"),
    [
        ("password = hunter2", "hunter2"),
        ("requirepass hunter2", "hunter2"),
        ('    proxy_set_header Authorization "Basic aHVudGVyMg==";', "aHVudGVyMg"),
        ("DB_PASSWORD=hunter2", "hunter2"),
        ('  secure_link_secret "word";', "word"),
        ("    proxy_pass http://admin:hunter2@10.0.0.1:80/;", "hunter2"),
        ('  default 0; "a1b2c3d4e5f6a7b8c9d0" 1;', "a1b2c3d4e5f6a7b8c9d0"),
        ("api_key: 'k-1'", "k-1"),
        ("requirepass hunter1#hunter2", "hunter2"),
        ("requirepass hunter1;hunter2", "hunter2"),
        ("password = two hunter2", "hunter2"),
        ("-password=hunter1 # hunter2", "hunter2"),
        ("Environment=DB_PASSWORD=hunter1#hunter2", "hunter2"),
        ('Environment="DB_PASSWORD=two hunter2" "HOME=/srv"', "hunter2"),
        ("    more_set_headers -s Authorization: Bearer hunter2;", "hunter2"),
        ("ExecStart=/usr/bin/worker --password=hunter1;hunter2 --queue=mail", "hunter2"),
    ],
)
def test_what_looks_like_a_secret_is_masked(line, secret):
    assert secret not in masked(line)
    assert MASK in masked(line)


@pytest.mark.parametrize(
    "line",
    [
        "worker_connections 333; # by hand, 2019",
        "server_tokens off;",
        "ssl_certificate /etc/letsencrypt/live/blog-2019-a.example/fullchain1.pem;",
        "proxy_pass http://127.0.0.1:8000;",
        "server_name www.blog2019-of-mine.example;",
        "proxy_set_header X-Real-IP $remote_addr;",
        "gzip_types text/plain application/json;",
    ],
)
def test_what_is_none_can_be_read(line):
    assert masked(line) == line


def test_what_stands_beside_a_secret_can_be_read():
    assert masked('Environment="DB_PASSWORD=two words" "HOME=/srv"') == f'Environment="DB_PASSWORD={MASK}" "HOME=/srv"'
    assert masked("ExecStart=/usr/bin/worker --password=x --queue=mail") == (
        f"ExecStart=/usr/bin/worker --password={MASK} --queue=mail"
    )
    assert masked("    secure_link_secret word;") == f"    secure_link_secret {MASK};"


def test_a_difference_masks_whatever_a_line_of_theirs_begins_with():
    before = "ExecStart=/usr/bin/worker \\\n--password=hunter2\n-- password = hunter3\n@@ password = hunter4\n"
    shown = _diff(before, "ExecStart=/usr/bin/worker\n", "/etc/systemd/system/worker.service")
    assert shown.startswith("--- /etc/systemd/system/worker.service (host)\n+++ /etc")
    assert "---password=" in shown
    assert "hunter" not in shown


def test_a_long_line_is_no_work():
    for piece in ("a", "a=", "x1-", "password", "http://"):
        masked(piece * 20_000)
