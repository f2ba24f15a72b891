"""The plan: nothing for a host that is as wanted, and for each difference exactly what it needs."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hosts import app, host

from deployer.allocate import allocate
from deployer.plan import Plan, build_plan, questions
from deployer.plan.build import unwanted_paths
from deployer.release import Release
from deployer.render import render

DECLARATION = host()
RENDERED = render(DECLARATION, allocate(DECLARATION))


def release(identifier: str = "aaaaaaaaaaaa", requirements: bytes = b"x==1 --hash=sha256:0") -> Release:
    from pathlib import Path

    return Release("blog", identifier, b"tree", requirements, Path("requirements.lock"))


def as_wanted(rendered=RENDERED, releases=None) -> dict[str, Any]:
    """What a host answers on which everything is as wanted."""
    releases = releases or [release()]
    asked = questions(rendered, releases)
    plan = build_plan(rendered, releases, empty_host(rendered, releases))
    return {
        "facts": {},
        "files": {one["path"]: {key: value for key, value in one.items() if key != "path"} for one in asked["files"]},
        "units": {
            unit: {"active": "active", "enabled": "enabled", **plan.document["record_units"].get(unit, {})}
            for unit in asked["units"]
        },
        "packages": dict.fromkeys(asked["packages"], "1"),
        "users": dict.fromkeys(asked["users"], True),
        "databases": {one["name"]: True for one in asked["databases"]},
        "paths": dict.fromkeys(asked["paths"], True),
        "ports": {},
        "owned": {one["path"]: "x" for one in asked["files"]},
        "done": ["seed blog"],
    }


def empty_host(rendered=RENDERED, releases=None) -> dict[str, Any]:
    asked = questions(rendered, releases or [release()])
    return {
        "facts": {},
        "files": {one["path"]: {"kind": "absent"} for one in asked["files"]},
        "units": {unit: {"active": "inactive", "enabled": ""} for unit in asked["units"]},
        "packages": dict.fromkeys(asked["packages"]),
        "users": dict.fromkeys(asked["users"], False),
        "databases": {one["name"]: None for one in asked["databases"]},
        "paths": dict.fromkeys(asked["paths"], False),
        "ports": {},
        "owned": {},
        "done": [],
    }


def planned(seen: dict[str, Any], releases=None, rendered=RENDERED) -> Plan:
    return build_plan(rendered, releases or [release()], seen)


def actions(plan: Plan) -> list[tuple[str, str]]:
    return [
        (entry.get("unit") or entry["name"], entry.get("action", entry["kind"]))
        for entry in plan.document["activations"]
    ]


def test_a_host_that_is_as_wanted_needs_nothing():
    plan = planned(as_wanted())
    assert plan.is_empty
    assert plan.document["activations"] == []
    assert plan.document["files"] == []


def test_an_empty_host_gets_everything_in_the_order_in_which_it_can_work():
    plan = planned(empty_host())
    assert {change.kind for change in plan.changes} >= {
        "package", "user", "directory", "secret", "environment", "release", "file", "database", "command", "unit",
    }  # fmt: skip
    found = [name for name, _ in actions(plan)]
    order = ["mariadb.service", "blog", "app-blog.socket", "migrate blog", "app-blog.service", "nginx.service"]
    assert [name for name in found if name in order] == order
    assert plan.environments == ("blog",)
    assert set(plan.blobs) >= {"blog.tree", "blog.requirements"}
    named = {entry["after"].get("blob") for entry in plan.document["files"]} - {None}
    assert named <= set(plan.blobs)


def test_a_first_deploy_works_in_the_memory_of_what_does_not_run_yet():
    grants = RENDERED.budget.grants
    empty = planned(empty_host()).document["work"]["memory_max_mib"]
    assert empty == sum(grant.memory_mib for grant in grants.values())
    seen = as_wanted()
    seen["files"]["/etc/nginx/nginx.conf"] = {"kind": "absent"}
    assert planned(seen).document["work"]["memory_max_mib"] == grants["deploy"].memory_mib


def test_a_changed_nginx_file_is_a_reload_with_a_diff():
    seen = as_wanted()
    seen["files"]["/etc/nginx/nginx.conf"] |= {"sha256": "0", "content": base64.b64encode(b"old\n").decode()}
    plan = planned(seen)
    assert actions(plan) == [("nginx.service", "reload")]
    diff = plan.changes[0].diff
    assert "-old\n" in diff
    assert "+worker_processes 1;\n" in diff
    before = plan.document["files"][0]["before"]
    assert before["sha256"] == "0"
    assert "content" not in before


def test_who_has_a_file_of_their_own_is_told_what_becomes_of_it():
    seen = as_wanted()
    seen["files"]["/etc/nginx/nginx.conf"] |= {"sha256": "0"}
    assert planned(seen).warnings == ()
    del seen["owned"]["/etc/nginx/nginx.conf"]
    [warning] = planned(seen).warnings
    assert "/etc/nginx/nginx.conf is not from deployer and will be replaced" in warning
    assert "/var/lib/deployer/former/etc/nginx/nginx.conf" in warning
    assert "include: [/etc/nginx/sites-enabled/*]" in warning


@pytest.mark.parametrize(("key", "value"), [("mode", "0666"), ("owner", "nobody"), ("group", "users")])
def test_a_wrong_mode_or_owner_is_a_change(key, value):
    seen = as_wanted()
    seen["files"]["/etc/nginx/nginx.conf"] |= {key: value}
    plan = planned(seen)
    assert plan.changes[0].because == f"{key} {value} becomes {plan.document['files'][0]['after'][key]}"


def test_a_new_release_migrates_before_it_restarts_the_app_and_touches_nothing_else():
    newer = release("bbbbbbbbbbbb")
    seen = as_wanted()
    seen["paths"]["/srv/blog/releases/bbbbbbbbbbbb"] = False
    seen["paths"]["/srv/blog/venvs/" + newer.environment + "/.whole"] = True
    plan = planned(seen, [newer])
    assert actions(plan) == [("migrate blog", "command"), ("app-blog.service", "restart")]
    assert plan.environments == ()
    assert [entry["path"] for entry in plan.document["files"]] == ["/srv/blog/current/code"]


def test_going_back_to_a_release_that_is_there_sends_nothing():
    seen = as_wanted()
    seen["files"]["/srv/blog/current/code"] = {"kind": "link", "target": "/srv/blog/releases/other"}
    plan = planned(seen)
    assert plan.document["releases"] == []
    assert actions(plan) == [("migrate blog", "command"), ("app-blog.service", "restart")]


def test_what_was_done_once_is_not_done_again():
    declared = host(apps={"blog": app(database=app().database.model_copy(update={"seed": ("python", "-m", "seed")}))})
    rendered = render(declared, allocate(declared))
    seen = as_wanted(rendered)
    assert planned(seen, rendered=rendered).is_empty
    seen["done"] = []
    assert actions(planned(seen, rendered=rendered)) == [("seed blog", "command")]


@pytest.mark.parametrize(
    ("state", "action"),
    [
        ({"active": "inactive"}, "start"),
        ({"active": "failed"}, "restart"),
        ({"restart_hash": "other"}, "restart"),
        ({"reload_hash": "other"}, "reload"),
        ({"enabled": "disabled"}, "start"),
    ],
)
def test_a_unit_gets_what_its_state_needs(state, action):
    seen = as_wanted()
    seen["units"]["nginx.service"] |= state
    assert actions(planned(seen)) == [("nginx.service", action)]


def test_a_reload_is_no_restart_and_a_restart_makes_a_reload_needless():
    seen = as_wanted()
    seen["files"]["/etc/nginx/nginx.conf"] |= {"sha256": "0"}
    seen["files"]["/etc/systemd/system/nginx.service.d/60-deployer.conf"] |= {"sha256": "0"}
    assert actions(planned(seen)) == [("nginx.service", "restart")]


def test_what_is_no_longer_wanted_goes_and_its_unit_is_stopped():
    seen = as_wanted()
    path = "/etc/systemd/system/app-old.service"
    seen["owned"] |= {path: "x", "/etc/nginx/deployer/apps/old.conf": "x"}
    assert unwanted_paths(RENDERED, [release()], seen) == ["/etc/nginx/deployer/apps/old.conf", path]
    for gone in (path, "/etc/nginx/deployer/apps/old.conf"):
        seen["files"][gone] = {"kind": "file", "sha256": "1", "mode": "0644", "owner": "root", "group": "root"}
    plan = planned(seen)
    assert [(c.verb, c.name) for c in plan.changes if c.kind == "file"] == [
        ("remove", "/etc/nginx/deployer/apps/old.conf"),
        ("remove", path),
    ]
    assert actions(plan) == [("nginx.service", "reload"), ("app-old.service", "stop")]


def test_sockets_stop_first_and_a_packages_service_goes_with_our_drop_in():
    declared = host(apps={}, mysql=None)
    bare = render(declared, allocate(declared))
    seen = as_wanted()
    seen["owned"] = dict.fromkeys(seen["files"], "x")
    plan = planned(seen, [], bare)
    assert actions(plan) == [
        ("app-blog.socket", "stop"),
        ("app-blog.service", "stop"),
        ("mariadb.service", "stop"),
        ("nginx.service", "stop"),
    ]
    assert "/srv/blog/current/code" in {change.name for change in plan.changes if change.verb == "remove"}


def test_every_commit_records_all_units():
    plan = planned(empty_host())
    assert set(plan.document["record_units"]) == {unit.unit for unit in RENDERED.wanted.units}
    hashes = plan.document["record_units"]["nginx.service"]
    assert hashes["restart_hash"] != hashes["reload_hash"]
