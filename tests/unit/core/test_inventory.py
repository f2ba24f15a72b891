"""The inventory as a whole: the example, the schema, contradictions between parts, defaults that mean what they say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deployer.access import login_of
from deployer.errors import InventoryError, UsageError
from deployer.inventory import load_inventory
from deployer.inventory.schema import schema_text

ROOT = Path(__file__).parents[3]

ENTRY = """\
hosts:
  web1:
    hardware: {cpu_cores: 1, memory_mib: 1024, disk_gib: 16}
    ssh: {address: 192.0.2.1, user: deploy}
    services: {mysql: {}}
    apps:
      blog:
        source: src
        gunicorn: {module: "blog:app"}
        server_names: [blog.example]
        database: {}
"""


def read(tmp_path, text):
    file = tmp_path / "hosts.yml"
    file.write_text(text)
    return load_inventory([file])


def problems(tmp_path, text) -> list[str]:
    with pytest.raises(InventoryError) as caught:
        read(tmp_path, text)
    return [problem.removeprefix(f"{tmp_path}/") for problem in caught.value.problems]


def test_the_example_has_the_three_hosts_as_they_are_rented():
    inventory = load_inventory([ROOT / "inventories"])
    shape = {name: entry.host.hardware for name, entry in inventory.entries.items()}
    assert (shape["blog1"].cpu_cores, shape["blog1"].memory_mib) == (1, 1024)
    assert (shape["mini1"].cpu_cores, shape["mini1"].memory_mib, shape["mini1"].swap_mib) == (2, 2048, 0)
    shop = shape["shop1"]
    assert (shop.cpu_cores, shop.memory_mib, shop.disk_gib, shop.disk_kind) == (4, 4096, 40, "ssd")
    assert (shop.bandwidth_mbit_per_s, shop.traffic_gb_per_month) == (3, 300)


def test_no_release_is_taken_for_a_misspelling_of_another(tmp_path):
    (said,) = problems(tmp_path, ENTRY.replace("mysql: {}", 'mysql: {flavour: mysql, version: "5.7"}'))
    assert said.endswith('found "5.7"')


@pytest.mark.parametrize("folder", ["nowhere", "hosts.yml", "a" * 300])
def test_a_folder_of_templates_that_is_not_there_is_a_fault_with_its_line(tmp_path, folder):
    (said,) = problems(tmp_path, f"templates: {folder}\n{ENTRY}")
    assert said.startswith("hosts.yml:1: templates: ")
    assert folder in said


@pytest.mark.parametrize("folder", ["~nobody-of-that-name/templates", "circle"])
def test_a_path_that_leads_nowhere_is_a_fault_of_the_inventory(tmp_path, folder):
    (tmp_path / "circle").symlink_to("circle")
    with pytest.raises(InventoryError, match="leads nowhere on this machine"):
        read(tmp_path, f"templates: {folder}\n{ENTRY}")
    entry = read(tmp_path, ENTRY.replace("user: deploy", f"key_file: {folder}")).entry("web1")
    with pytest.raises(InventoryError, match="leads nowhere on this machine"):
        login_of(entry)


def test_an_inventory_with_too_long_a_name_cannot_be_read(tmp_path):
    with pytest.raises(InventoryError, match="cannot be read"):
        load_inventory([tmp_path / ("a" * 300)])


def test_the_committed_schema_is_that_of_the_models_and_the_example_names_it():
    assert (ROOT / "inventories/schema.json").read_text() == schema_text(), "invoke dev.schema writes it anew"
    assert "$schema=schema.json" in (ROOT / "inventories/example.yml").read_text().splitlines()[0]
    hosts = json.loads(schema_text())["$defs"]["Hardware"]["properties"]
    assert all(field.get("description") for field in hosts.values())


def test_every_key_of_an_inventory_is_described():
    for name, model in json.loads(schema_text())["$defs"].items():
        for key, field in model.get("properties", {}).items():
            assert field.get("description"), f"{name}.{key}"


def test_a_whole_entry_reads_and_paths_are_relative_to_its_file(tmp_path):
    entry = read(tmp_path, ENTRY).entry("web1")
    assert entry.path("src") == tmp_path / "src"
    assert entry.declaration.apps["blog"].database is not None
    assert entry.host.load == "forbidden"


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        (
            "services: {mysql: {}}",
            "services: {}",
            "11: hosts.web1.apps.blog.database: this host has no database",
        ),
        (
            "database: {}",
            "database: {name: mysql}",
            "7: hosts.web1.apps.blog: a database cannot be called mysql",
        ),
        (
            "    apps:",
            "    load: allowed\n    apps:",
            "6: hosts.web1.load: the limits for each visitor would stop",
        ),
        (
            "user: deploy}",
            "user: deploy, accept_new: true, host_key: 'ssh-ed25519 AAAA'}",
            "4: hosts.web1.ssh.accept_new: a pinned host_key leaves nothing to accept",
        ),
        (
            "        database: {}\n",
            (
                "        database: {}\n      shop:\n        source: s\n        gunicorn: {module: 'a:b'}\n"
                "        server_names: [blog.example]\n"
            ),
            "15: hosts.web1.apps.shop.server_names: blog.example belongs to app blog already",
        ),
        ("[blog.example]", "[blog.example, blog.example]", "10: hosts.web1.apps.blog.server_names[1]: blog.example is"),
        ("blog:\n", "nginx:\n", "7: hosts.web1.apps.nginx: an app cannot be called nginx"),
        ("blog:\n", "deploy:\n", "7: hosts.web1.apps.deploy: an app cannot be called deploy"),
        ("blog:\n", "secrets:\n", "7: hosts.web1.apps.secrets: an app cannot be called secrets"),
        (
            "database: {}",
            "environment: {GUNICORN_CMD_ARGS: -w 9}",
            "11: hosts.web1.apps.blog.environment.GUNICORN_CMD_ARGS: it comes from the budget",
        ),
        ("    apps:", "    load_from: [999.1.1.1]\n    apps:", "6: hosts.web1.load_from[0]: expected an address"),
        ("    apps:", "    load_from: [10.0.0.1/8]\n    apps:", "6: hosts.web1.load_from[0]: expected an address"),
        ("    apps:", "    load_from: [0.0.0.0/0]\n    apps:", "6: hosts.web1.load_from[0]: 0.0.0.0/0 is everybody"),
        (
            "    apps:",
            "    load_from: [10.0.0.1, 10.0.0.1/32]\n    apps:",
            "6: hosts.web1.load_from[1]: 10.0.0.1/32 is there twice",
        ),
        ("database: {}", "uses: [mysql]", "11: hosts.web1.apps.blog.uses[0]: what an app has in mysql is its database"),
        ("database: {}", "uses: [kernel]", "11: hosts.web1.apps.blog.uses[0]: no app opens connections to kernel"),
        ("database: {}", "uses: [nginx]", "11: hosts.web1.apps.blog.uses[0]: no app opens connections to nginx"),
        (
            "database: {}",
            "uses: [redsi]",
            "11: hosts.web1.apps.blog.uses[0]: no app opens connections to redsi; it can",
        ),
        ("database: {}", "uses: [redis]", "11: hosts.web1.apps.blog.uses[0]: this host has no redis; add services.red"),
        (
            "mysql: {}}",
            "mysql: {}, sqlite: {}, redis: {}}",
            "11: hosts.web1.apps.blog.database: which of the databases of this host? write server: one of mysql",
        ),
        (
            'module: "blog:app"}',
            "module: 'a:b', wait_ms: 20, compute_ms: 5}",
            "9: hosts.web1.apps.blog.gunicorn.wait_ms: a worker of class uvicorn_worker.UvicornWorker does other",
        ),
        (
            'gunicorn: {module: "blog:app"}\n        server_names: [blog.example]\n        database: {}',
            "gunicorn: {module: 'a:b', pool_size: 7}\n        server_names: [blog.example]",
            "9: hosts.web1.apps.blog.gunicorn.pool_size: the app opens connections to no server here",
        ),
        (
            "database: {}",
            "background: {mail: {command: [mail], pool_size: 3}}",
            "11: hosts.web1.apps.blog.background.mail.pool_size: the app opens connections to no server here",
        ),
        (
            "disk_gib: 16}",
            "disk_gib: 16, swap_mib: 1048576}",
            "3: hosts.web1.hardware.swap_mib: more than disk and memory could hold together, 17408 MiB",
        ),
        ("mysql: {}", "mysql: {}, redis: {version: '9'}", "5: hosts.web1.services.redis.version: there is no Redis 9"),
        ("database: {}", "session_cookie: a-b", "11: hosts.web1.apps.blog.session_cookie: expected"),
        ("database: {}", "login_path: /login?next=/", "11: hosts.web1.apps.blog.login_path: expected"),
    ],
)
def test_parts_that_contradict_one_another_are_told_with_their_line(tmp_path, old, new, found):
    assert any(problem.startswith(f"hosts.yml:{found}") for problem in problems(tmp_path, ENTRY.replace(old, new)))


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("TMPDIR", "/tmp", "temporary files in /tmp are in memory"),
        ("TMPDIR", "/dev/shm/blog", "temporary files in /dev/shm/blog are in memory"),
        ("TMPDIR", "/var/tmp/../../tmp", "temporary files in /var/tmp/../../tmp are in memory"),
        ("TMP", "/srv/spool", "cannot be written at all; leave it out (/var/tmp is on the disk)"),
        ("SQLITE_TMPDIR", "/tmp", "or write a folder below /var/lib/app-blog"),
        ("TEMP", "", "temporary files in no folder"),
        ("UPLOADS", "/tmp/uploads", "/tmp may be memory"),
        ("CACHE", "a,/dev/shm", "/dev/shm may be memory"),
        ("CACHE_URL", "sqlite:////tmp/cache.db?mode=rwc", "/tmp may be memory"),
    ],
)
def test_a_variable_that_would_put_files_into_memory_is_refused(tmp_path, variable, value, said):
    text = ENTRY.replace("database: {}", f'environment: {{{variable}: "{value}"}}')
    [problem] = problems(tmp_path, text)
    assert problem.startswith(f"hosts.yml:11: hosts.web1.apps.blog.environment.{variable}: ")
    assert said in problem


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("TMPDIR", "/var/tmp"),
        ("TMPDIR", "/var/lib/app-blog/spool"),
        ("UPLOADS", "/var/lib/app-blog/tmp"),
        ("DOCS", "https://docs.example/tmp/x"),
        ("DOCS", "https://tmp/x"),
        ("FOLDER", "/tmpl"),
    ],
)
def test_a_variable_that_puts_files_onto_the_disk_is_taken(tmp_path, variable, value):
    read(tmp_path, ENTRY.replace("database: {}", f'environment: {{{variable}: "{value}"}}'))


RUN_BY = {
    "go.program": "{{program: {}}}",
    "java.jar": "{{jar: {}.jar}}",
    "node.script": "{{script: {}}}",
    "node.lock": "{{script: server.js, lock: {}}}",
    "gunicorn.requirements": '{{module: "blog:app", requirements: {}}}',
}


@pytest.mark.parametrize("key", RUN_BY)
@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("/etc/passwd", "is a path of the whole machine; write it relative to the source"),
        ("../other", "may lead out of the source of the app; write the way to it without .."),
        ("bin/../../other", "may lead out of the source of the app; write the way to it without .."),
        ("--inspect", "would be taken for an option by what runs it; write ./--inspect"),
    ],
)
def test_what_an_app_runs_lies_inside_its_source(tmp_path, key, written, said):
    runner, _, name = key.partition(".")
    text = ENTRY.replace('gunicorn: {module: "blog:app"}', f"{runner}: {RUN_BY[key].format(written)}")
    [problem] = problems(tmp_path, text)
    assert problem.startswith(f"hosts.yml:9: hosts.web1.apps.blog.{runner}.{name}: {written}")
    assert said in problem
    read(tmp_path, text.replace(written, "./bin/x@1+2-a"))


def test_a_server_of_databases_is_used_by_the_app_s_own_database(tmp_path):
    """Its password and its rights are made with the database; a unit that asks for them without one never starts."""
    both = ENTRY.replace("mysql: {}", "mysql: {}, postgresql: {}")
    mixed = both.replace("database: {}", "database: {server: mysql}\n        uses: [postgresql]")
    [found] = problems(tmp_path, mixed)
    assert "hosts.web1.apps.blog.uses[0]: what an app has in postgresql is its database" in found
    [found] = problems(tmp_path, ENTRY.replace("database: {}", "database: {}\n        uses: [mysql, mysql]"))
    assert found.endswith("mysql is there twice")
    [found] = problems(tmp_path, ENTRY.replace("        database: {}\n", "        uses: [mysql]\n"))
    assert "write database: {server: mysql}" in found
    named = read(tmp_path, ENTRY.replace("database: {}", "database: {}\n        uses: [mysql]"))
    assert named.entry("web1").declaration.servers_of("blog") == ("mysql",)


def test_caches_that_the_disk_has_no_room_for_are_refused_where_there_are_any(tmp_path):
    large = ENTRY.replace("{mysql: {}}", "{nginx: {cache_disk_mib: 10240}, mysql: {}}")
    [found] = problems(tmp_path, large.replace("database: {}", "session_cookie: sid"))
    assert "5: hosts.web1.services.nginx.cache_disk_mib: the caches of all apps take 10240 MiB" in found
    assert read(tmp_path, large).entry("web1")


def test_what_a_server_s_app_pays_for_is_pinned_at_the_server_and_not_in_the_environment(tmp_path):
    book = ENTRY.replace("mysql: {}", "sqlite: {}") + "        environment: {SQLITE_CACHE_KIB: '900000'}\n"
    [found] = problems(tmp_path, book)
    assert found.startswith("hosts.yml:12: hosts.web1.apps.blog.environment.SQLITE_CACHE_KIB: it comes from the budget")
    assert "services.sqlite.cache_kib" in found
    assert read(tmp_path, book.replace("sqlite", "mysql")).entry("web1")


def test_an_app_of_a_database_elsewhere_is_told_its_pool_by_its_environment(tmp_path):
    told = "environment: {DB_POOL_SIZE: '7'}"
    elsewhere = read(tmp_path, ENTRY.replace("database: {}", told)).entry("web1").declaration
    assert elsewhere.apps["blog"].environment == {"DB_POOL_SIZE": "7"}
    [found] = problems(tmp_path, ENTRY.replace("database: {}", f"database: {{}}\n        {told}"))
    assert "it comes from the budget; write pool_size to pin it" in found


def test_all_faults_come_at_once_with_the_nearest_right_name(tmp_path):
    wrong = ENTRY.replace("memory_mib: 1024", "memory_mb: 1024").replace("server_names", "server_name")
    found = problems(tmp_path, wrong)
    assert len(found) == 2
    assert found[0].startswith("hosts.yml:3: hosts.web1.hardware.memory_mb: ")
    assert "memory_mib" in found[0]
    assert found[1].startswith("hosts.yml:10: hosts.web1.apps.blog.server_name: ")
    assert "server_names" in found[1]


@pytest.mark.parametrize(
    "line", ["memory_mib: no", "memory_mib: 012", "memory_mib: 1_000", "memory_mib: 1G", "memory_mib: 256"]
)
def test_surprises_of_yaml_are_refused(tmp_path, line):
    [found] = problems(tmp_path, ENTRY.replace("memory_mib: 1024", line))
    assert "hosts.yml:3: hosts.web1.hardware.memory_mib" in found


def test_a_wrong_item_does_not_make_its_list_short(tmp_path):
    [found] = problems(tmp_path, ENTRY.replace("[blog.example]", "[bücher.example]"))
    assert found.startswith("hosts.yml:10: hosts.web1.apps.blog.server_names[0]: ")
    [found] = problems(tmp_path, ENTRY.replace("[blog.example]", "[]"))
    assert found.startswith("hosts.yml:10: hosts.web1.apps.blog.server_names: expected a list of at least 1 item")


def test_an_unknown_host_names_those_that_are_there(tmp_path):
    with pytest.raises(UsageError) as caught:
        read(tmp_path, ENTRY).entry("wbe1")
    assert "did you mean web1?" in caught.value.message
    assert caught.value.exit_code == 2


def test_a_login_takes_the_sudo_password_from_the_environment_only(tmp_path):
    entry = read(tmp_path, ENTRY.replace("user: deploy}", "user: deploy, sudo_password_env: SUDO_PW}"))
    entry = entry.entry("web1")
    with pytest.raises(UsageError, match="SUDO_PW is not set"):
        login_of(entry, {})
    login = login_of(entry, {"SUDO_PW": "hunter2"})
    assert login.sudo_password.reveal() == "hunter2"
    assert "hunter2" not in repr(login)


def test_a_jump_host_has_its_own_key_and_is_trusted_as_the_host_is(tmp_path):
    jump = "jump: {address: 203.0.113.7, port: 2222, user: gate, key_file: gate_key}"
    text = ENTRY.replace("user: deploy}", f"user: deploy, key_file: own_key, known_hosts_file: known, {jump}}}")
    login = login_of(read(tmp_path, text).entry("web1"), {})
    assert (login.jump.place, login.jump.key_files) == ("gate@[203.0.113.7]:2222", (tmp_path / "gate_key",))
    assert login.key_files == (tmp_path / "own_key",)
    assert login.jump.known_hosts_files == login.known_hosts_files == (tmp_path / "known",)
    assert login.jump.host_key is None
    assert not login.jump.accept_new


def test_a_jump_host_can_be_pinned_and_without_a_key_file_those_of_the_user_are_offered(tmp_path):
    pin = "SHA256:" + "A" * 43
    jump = f"jump: {{address: gate.example, user: gate, host_key: '{pin}'}}"
    text = ENTRY.replace("user: deploy}", f"user: deploy, key_file: own_key, accept_new: true, {jump}}}")
    login = login_of(read(tmp_path, text).entry("web1"), {})
    assert (login.jump.host_key, login.jump.key_files, login.jump.accept_new) == (pin, (), True)
    assert login.host_key is None
