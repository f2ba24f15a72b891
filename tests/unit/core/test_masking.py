"""Secrets of configs by hand: nobody is told what looks like one, and what is none can be read."""

from __future__ import annotations

import pytest

from deployer.masking import MASK, masked


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


def test_a_long_line_is_no_work():
    for piece in ("a", "a=", "x1-", "password", "http://"):
        masked(piece * 20_000)
