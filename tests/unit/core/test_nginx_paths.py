"""Paths of an app that nginx could not tell apart are refused; whatever is not refused makes no location twice."""

from __future__ import annotations

import re

import pytest
from hosts import app, host

from deployer.allocate import allocate
from deployer.app import Websockets
from deployer.declaration import Declaration
from deployer.render import render
from deployer.services.nginx import SERVICE, NginxSettings
from deployer.services.nginx.contradictions import HIDDEN, contradictions

PATHS = (
    "/",
    "/live",
    "/live/",
    "/login",
    "/static",
    "/static/",
    "/static/x",
    "/.well-known/",
    "/stat",
    "//x",
    "/a/../b",
)
CHALLENGES = ("/.well-known/acme-challenge", "/.well-known/acme-challenge/", "/.well-known/acme-challenge/x")


def said(**changes):
    found = host(apps={"blog": app(**changes)})
    return [(".".join(str(part) for part in where), message) for where, message in contradictions(found)]


@pytest.mark.parametrize(
    ("changes", "where", "message"),
    [
        ({"websockets": {"path": "/", "connections": 10}}, "apps.blog.websockets.path", "every page"),
        ({"websockets": {"path": "/static/", "connections": 10}, "static": "s"}, "apps.blog.websockets.path", "static"),
        ({"websockets": {"path": "/static/a", "connections": 10}, "static": "s"}, "apps.blog.websockets.path", "files"),
        ({"websockets": {"path": CHALLENGES[1], "connections": 10}}, "apps.blog.websockets.path", "nginx answers"),
        ({"websockets": {"path": "/a//b", "connections": 10}}, "apps.blog.websockets.path", "never sees"),
        (
            {"websockets": {"path": "/in", "connections": 10}, "login_path": "/in"},
            "apps.blog.websockets.path",
            "login_path is the same",
        ),
        ({"login_path": "/"}, "apps.blog.login_path", "the home page only a few times"),
        ({"login_path": "/static/login", "static": "s"}, "apps.blog.login_path", "gives the files"),
        ({"login_path": "/a/./b"}, "apps.blog.login_path", "never sees"),
        ({"health_path": "/.health"}, "apps.blog.health_path", "404"),
        ({"health_path": "/well.env?x=1"}, "apps.blog.health_path", "404"),
        ({"health_path": "/in", "login_path": "/in"}, "apps.blog.health_path", "login_path is the same"),
        ({"health_path": "/static/ok.txt", "static": "s"}, "apps.blog.health_path", "gives the files"),
        ({"static": "../../etc"}, "apps.blog.static", "out of the source"),
        ({"static": "public/../.."}, "apps.blog.static", "out of the source"),
        ({"static": "."}, "apps.blog.static", "the whole source"),
        ({"static": "/"}, "apps.blog.static", "the whole source"),
    ],
)
def test_a_path_that_nginx_would_refuse_or_answer_otherwise_is_refused(changes, where, message):
    [(place, words)] = said(**changes)
    assert place == where
    assert message in words


@pytest.mark.parametrize(
    "changes",
    [
        {"websockets": {"path": "/static/", "connections": 10}},  # no files there
        {"websockets": {"path": "/stat", "connections": 10}, "static": "s", "login_path": "/stat/in"},
        {"static": "/public/", "health_path": "/.well-known/health"},
        {"login_path": "/login", "websockets": {"path": "/log", "connections": 10}},
    ],
)
def test_paths_that_nginx_tells_apart_are_taken(changes):
    assert said(**changes) == []


def text_of(declaration: Declaration) -> str:
    files = render(declaration, allocate(declaration)).files
    return next(file.content.decode() for file in files if file.path == "/etc/nginx/deployer/apps/blog.conf")


def locations(text: str) -> list[list[str]]:
    return [re.findall(r"^    location (.*?) \{", server, re.MULTILINE) for server in text.split("\nserver {")]


@pytest.mark.parametrize("live", [*PATHS, *CHALLENGES])
def test_what_is_not_refused_has_each_location_once(live):
    for login in (*PATHS, *CHALLENGES):
        values = {"websockets": Websockets(path=live, connections=10), "login_path": login, "static": "static"}
        found = host(apps={"blog": app(**values, tls=None)})
        has_twice = any(len(set(one)) < len(one) for one in locations(text_of(found)))
        assert not has_twice or any(True for _ in contradictions(found)), login


def test_what_is_hidden_is_what_the_template_hides():
    hidden = re.findall(r"^    location ~\*? (\S+) \{ return 404; \}", text_of(host()), re.MULTILINE)
    assert "|".join(hidden) == HIDDEN.pattern


@pytest.mark.parametrize(("version", "is_untried"), [("1.28", True), ("1.30", False)])
def test_what_the_registry_knows_of_can_be_declared_and_is_said_to_be_untried_until_it_was_deployed(
    version, is_untried
):
    declaration = host(nginx=NginxSettings(version=version))
    assert "http2 on;" in text_of(declaration)
    assert bool(SERVICE.experimental(declaration)) == is_untried
    assert not SERVICE.experimental(host())
