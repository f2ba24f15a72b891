"""Doctor: every rendered setting against what its server tells, each in the units that the server uses."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hosts import app, host

from deployer.allocate import allocate
from deployer.doctor import Diagnosis, diagnose, question
from deployer.render import Rendered, render
from deployer.report.doctor import diagnosis_document
from deployer.services.node import NodeSettings
from deployer.services.postgresql import PostgresqlSettings


@pytest.fixture(scope="module")
def rendered() -> Rendered:
    declaration = host(apps={"blog": app()})
    return render(declaration, allocate(declaration))


def agreeing(rendered: Rendered) -> dict[str, Any]:
    """Make the answer of a host that runs with what was rendered."""
    versions = {"mariadb": "10.11.14", "nginx": "1.22.1", "systemd": "252", "kernel": "", "postgresql": "15.14"}
    servers: dict[str, Any] = {
        name: {"version": versions.get(name, ""), "values": {}} for name in question(rendered)["servers"]
    }
    for one in diagnose(rendered, {"servers": servers}).readings:
        values = servers[one.server]["values"]
        found: Any = one.wanted.split(", ") if one.server == "nginx" else one.wanted
        (values.setdefault(one.where, {}) if one.where else values)[one.setting] = found
    return {"servers": servers}


def differing(found: Diagnosis) -> list[tuple[str, str | None]]:
    return [(one.setting, one.found) for one in found.readings if one.state == "differs"]


def test_a_host_that_runs_what_was_rendered_agrees(rendered: Rendered) -> None:
    found = diagnose(rendered, agreeing(rendered))
    assert found.agrees
    assert {one.state for one in found.readings} == {"ok"}
    assert {one.server for one in found.readings} == {"mariadb", "nginx", "systemd", "kernel"}


def test_the_units_of_the_server_are_no_difference(rendered: Rendered) -> None:
    answer = agreeing(rendered)
    maria = answer["servers"]["mariadb"]["values"]
    mib = int(maria["innodb_buffer_pool_size"].removesuffix("M"))
    maria["innodb_buffer_pool_size"] = str(mib << 20)
    units = answer["servers"]["systemd"]["values"]
    units["app-blog.service"]["MemoryMax"] = str(int(units["app-blog.service"]["MemoryMax"].removesuffix("M")) << 20)
    assert differing(diagnose(rendered, answer)) == []
    maria["innodb_buffer_pool_size"] = str((mib << 20) + 1)
    assert differing(diagnose(rendered, answer)) == [("innodb_buffer_pool_size", str((mib << 20) + 1))]


def test_pages_of_postgresql_are_no_difference() -> None:
    declaration = host(apps={"notes": app()}, mysql=None)
    settings = {**declaration.settings, "postgresql": PostgresqlSettings(version="15")}
    declaration = declaration.model_copy(update={"settings": settings})
    rendered = render(declaration, allocate(declaration))
    answer = agreeing(rendered)
    server = answer["servers"]["postgresql"]
    pages = int(server["values"]["shared_buffers"].removesuffix("MB")) * 128
    server["values"]["shared_buffers"], server["units"] = str(pages), {"shared_buffers": "8kB"}
    assert differing(diagnose(rendered, answer)) == []
    server["values"]["shared_buffers"] = str(pages + 1)
    assert differing(diagnose(rendered, answer)) == [("shared_buffers", str(pages + 1))]


def test_the_kernel_may_have_more_and_may_refuse(rendered: Rendered) -> None:
    answer = agreeing(rendered)
    kernel = answer["servers"]["kernel"]
    wanted = kernel["values"]["net.core.somaxconn"]
    kernel["values"]["net.core.somaxconn"] = str(int(wanted) + 1)
    assert differing(diagnose(rendered, answer)) == []
    kernel["values"]["net.core.somaxconn"] = "128"
    assert differing(diagnose(rendered, answer)) == [("net.core.somaxconn", "128")]
    kernel["refused"] = {"net.core.somaxconn": wanted}
    assert differing(diagnose(rendered, answer)) == []


def test_a_server_that_is_silent_or_of_another_release_does_not_agree(rendered: Rendered) -> None:
    answer = agreeing(rendered)
    older = copy.deepcopy(answer)
    older["servers"]["mariadb"]["version"] = "10.5.29"
    release = next(one for one in diagnose(rendered, older).releases if one.server == "mariadb")
    assert (release.proven, release.agrees) == (False, False)
    answer["servers"]["mariadb"] = None
    found = diagnose(rendered, answer)
    assert not found.agrees
    assert {one.state for one in found.readings if one.server == "mariadb"} == {"not told"}
    document = diagnosis_document("web1", found)
    assert next(one for one in document["releases"] if one["server"] == "mariadb")["found"] is None


def test_what_a_command_line_says_against_the_config_is_named(rendered: Rendered) -> None:
    answer = agreeing(rendered)
    asked = question(rendered)["servers"]["commandlines"]["units"]
    assert "--max-connections" in asked["mariadb.service"]
    assert {"--workers", "-w"} <= set(asked["app-blog.service"])
    same = answer["servers"]["mariadb"]["values"]["max_connections"]
    answer["servers"]["commandlines"]["values"] = {
        "mariadb.service": {"--max-connections": same, "--innodb-buffer-pool-size": "1G"},
        "app-blog.service": {"--workers": "9"},
    }
    found = diagnose(rendered, answer)
    assert sorted(differing(found)) == [("--innodb-buffer-pool-size", "1G"), ("--workers", "9")]
    assert [one.where for one in found.readings if one.setting == "--workers"] == ["command line of app-blog.service"]
    assert not found.agrees


def test_runtimes_are_asked_by_process_and_what_nobody_rendered_differs() -> None:
    declaration = host(
        apps={"shop": app(gunicorn=None, node=NodeSettings(script="server.js", processes=2))},
        cpu_cores=2,
        memory_mib=2048,
    )
    rendered = render(declaration, allocate(declaration))
    assert "app-shop@2.service" in question(rendered)["servers"]["systemd"]["units"]
    units = question(rendered)["servers"]["commandlines"]["units"]
    assert {"--max-old-space-size", "UV_THREADPOOL_SIZE", "DB_POOL_SIZE", "--max-heap-size"} <= set(
        units["app-shop@2.service"]
    )
    answer = agreeing(rendered)
    told = {
        "--max-old-space-size": str(rendered.budget.count("shop", "old_space")),
        "--max-semi-space-size": "64",
        "--max-heap-size": "99",
    }
    answer["servers"]["commandlines"]["values"] = {"app-shop@2.service": told}
    assert differing(diagnose(rendered, answer)) == [("--max-heap-size", "99"), ("--max-semi-space-size", "64")]


def test_another_file_that_has_the_last_word_on_the_kernel_is_named(rendered: Rendered) -> None:
    answer = agreeing(rendered)
    other = {"file": "/etc/sysctl.d/99-own.conf", "value": "128"}
    answer["servers"]["kernel"]["at_boot"] = {"net.core.somaxconn": other}
    found = diagnose(rendered, answer)
    assert differing(found) == [("net.core.somaxconn", "128")]
    assert [one.where for one in found.readings if one.state == "differs"] == [other["file"]]
    other["value"] = "65535"
    assert diagnose(rendered, answer).agrees
    other |= {"file": "/etc/sysctl.d/60-deployer.conf", "value": "128"}  # a drift of ours, which plan shows
    assert diagnose(rendered, answer).agrees
