"""Rendering: the same bytes for the same inventory, nothing half-filled, users' templates in front of ours."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

import jinja2
import pytest
from hosts import NginxSettings, app, gunicorn, host
from jinja2 import nodes

from deployer.allocate import allocate
from deployer.errors import RenderError
from deployer.inventory import load_inventory
from deployer.render import SHIPPED, Rendered, render, systemd_word

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "tests/golden"
INVENTORIES = [ROOT / "inventories", GOLDEN / "hosts.yml"]
HOSTS = ["blog1", "mini1", "shop1", *(f"vps-{size}" for size in ("1c1g", "1c2g", "2c2g", "2c4g", "4c4g", "4c8g"))]


def rendered(declaration, **more) -> Rendered:
    return render(declaration, allocate(declaration), **more)


def text_of(result: Rendered, path: str) -> str:
    return next(file.content for file in result.files if file.path == path).decode()


@pytest.mark.parametrize("name", HOSTS)
def test_the_golden_hosts_render_as_committed(name):
    entry = load_inventory(INVENTORIES).entry(name)
    found = {file.path: file.content.decode() for file in rendered(entry.declaration).files}
    folder = GOLDEN / name
    committed = {
        "/" + path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()
    }
    assert found == committed, "if this change is meant: invoke dev.golden, and look at the difference"


def test_every_golden_tree_has_its_host():
    assert sorted(HOSTS) == sorted(path.name for path in GOLDEN.iterdir() if path.is_dir())


def test_rendering_twice_gives_the_same_bytes():
    assert rendered(host()).files == rendered(host()).files


def test_every_file_says_where_it_comes_from_and_when_never():
    for file in rendered(host(load_from=("10.0.0.1",))).files:
        content = file.content.decode()
        first, second = content.splitlines()[:2]
        assert first.startswith("# Written by deployer from inventory entry test1: 1 core, 1024 MiB, 1000 connections")
        assert file.wanted.template in second
        assert not re.search(r"20\d\d-\d\d-\d\d", content)
        assert "None" not in re.sub(r"(access|error)log = None|is not None|, None\)", "", content)
        assert content.endswith("\n")


def test_what_is_not_declared_is_not_there():
    result = rendered(host(apps={"blog": app(tls=None, session_cookie=None, database=None)}, mysql=None))
    site = text_of(result, "/etc/nginx/deployer/apps/blog.conf")
    assert "proxy_cache" not in site
    assert "ssl" not in site
    assert "listen 443" not in text_of(result, "/etc/nginx/nginx.conf")
    assert not [file.path for file in result.files if "mysql" in file.path or "mariadb" in file.path]
    unit = text_of(result, "/etc/systemd/system/app-blog.service")
    assert "DB_" not in unit
    assert "LoadCredential" not in unit
    assert result.wanted.databases == ()


def test_a_logged_in_page_goes_past_the_cache_both_ways():
    site = text_of(rendered(host()), "/etc/nginx/deployer/apps/blog.conf")
    assert 'map "$cookie_session$http_authorization" $private_blog' in site
    assert "proxy_cache_bypass $private_blog" in site
    assert re.search(r"proxy_no_cache \$private_blog", site)


def test_aliases_redirect_to_the_canonical_name():
    result = rendered(host(apps={"blog": app(server_names=("example.org", "www.example.org"))}))
    site = text_of(result, "/etc/nginx/deployer/apps/blog.conf")
    assert "server_name www.example.org;\n    return 301 https://example.org$request_uri;" in site
    assert "server_name example.org www.example.org;" in site  # plain http


def test_http2_is_switched_on_in_the_words_of_the_version():
    old, new = (
        text_of(rendered(host(nginx=NginxSettings(version=v))), "/etc/nginx/nginx.conf") for v in ("1.22", "1.26")
    )
    assert "listen 443 ssl http2 default_server" in old
    assert "http2 on;" not in old
    assert "http2 on;" in new
    assert "ssl http2" not in new


def test_an_app_without_internet_has_no_network():
    closed = text_of(rendered(host(apps={"blog": app(internet=False)})), "/etc/systemd/system/app-blog.service")
    assert re.search(r"^RestrictAddressFamilies=AF_UNIX$", closed, re.MULTILINE)
    opened = text_of(rendered(host()), "/etc/systemd/system/app-blog.service")
    assert "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6\n" in opened


def test_environment_values_reach_systemd_as_they_are():
    value = 'a "b" 100% \\ $HOME'
    unit = text_of(
        rendered(host(apps={"blog": app(environment={"WORD": value})})), "/etc/systemd/system/app-blog.service"
    )
    assert r'Environment="WORD=a \"b\" 100%% \\ $HOME"' in unit
    assert systemd_word("x") == '"x"'


def test_units_parse_and_every_service_of_ours_is_in_the_slice():
    for file in rendered(host()).files:
        if "/systemd/system/" not in file.path or file.path.endswith(".slice"):
            continue
        parser = configparser.RawConfigParser(strict=False, delimiters=("=",), comment_prefixes=("#",))
        parser.optionxform = str
        parser.read_string(file.content.decode())
        if parser.has_section("Service"):
            candidate = file.path.endswith("/60-candidate.conf")
            assert parser["Service"]["Slice"] == ("deployer-deploy.slice" if candidate else "deployer.slice")
            assert re.fullmatch(r"\d+M", parser["Service"]["MemoryMax"])


def test_the_numbers_in_the_files_are_those_of_the_budget():
    declaration = host()
    budget = allocate(declaration)
    result = render(declaration, budget)
    nginx = text_of(result, "/etc/nginx/nginx.conf")
    assert f"worker_connections {budget.count('nginx', 'worker_connections')};" in nginx
    database = text_of(result, "/etc/mysql/mariadb.conf.d/90-deployer.cnf")
    assert f"innodb_buffer_pool_size = {budget.count('mysql', 'innodb_buffer_pool_size')}M" in database
    limits = [
        int(mib)
        for file in result.files
        if "candidate" not in file.path  # it runs in the memory of another, for a while
        for mib in re.findall(r"^MemoryMax=(\d+)M", file.content.decode(), re.MULTILINE)
    ]
    whole = budget.count("systemd", "MemoryMax")
    assert limits.count(whole) == 1
    assert sum(limits) - whole + budget.grants["deploy"].memory_mib == whole


def test_a_user_s_template_wins_and_can_extend_ours(tmp_path):
    (tmp_path / "nginx").mkdir()
    (tmp_path / "nginx/headers.conf.j2").write_text(
        "{% include 'builtin/nginx/headers.conf.j2' %}\nadd_header X-Mine 1;\n"
    )
    text = text_of(rendered(host(), template_folders=[tmp_path]), "/etc/nginx/deployer/headers.conf")
    assert text.endswith("\nadd_header X-Mine 1;\n")
    assert "X-Content-Type-Options" in text


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{{ n.no_such_number }}", "no_such_number"),
        ("{% if %}", "not valid"),
        ("{{ 1 / 0 }}", "cannot be rendered"),
        ("{% include 'nowhere.j2' %}", "no template nowhere.j2"),
        ("{% include 'nginx/headers.conf.j2' %}", "recursion"),
        ("{{ cycler() }}", "cannot be rendered"),
        ("{{ n | dictsort | dictsort }}", "cannot be rendered"),
    ],
)
def test_a_broken_template_is_refused_by_its_name(tmp_path, template, words):
    (tmp_path / "nginx").mkdir()
    (tmp_path / "nginx/headers.conf.j2").write_text(template)
    with pytest.raises(RenderError) as caught:
        rendered(host(), template_folders=[tmp_path])
    assert words in caught.value.diagnostics()
    assert "headers.conf" in caught.value.diagnostics()


def test_a_static_file_of_the_last_release_is_not_served_under_the_address_of_the_next():
    declared = host(apps={"blog": app(static="static")})
    text = text_of(render(declared, allocate(declared)), "/etc/nginx/deployer/apps/blog.conf")
    static = text.partition("location ^~ /static/")[2].partition("}")[0]
    assert "open_file_cache off;" in static


@pytest.mark.parametrize("cores", [1, 4, 64])
def test_tasks_and_descriptors_of_the_units_suffice_at_every_size(cores):
    connections = 100_000
    apps = {"blog": app(gunicorn=gunicorn(worker_memory_mib=24))}
    declaration = host(cpu_cores=cores, memory_mib=65536, connections=connections, apps=apps, hardware={"disk_gib": 80})
    budget = allocate(declaration)
    result = render(declaration, budget)
    nginx = text_of(result, "/etc/systemd/system/nginx.service.d/60-deployer.conf")
    service = text_of(result, "/etc/systemd/system/app-blog.service")

    def setting(text, name):
        return int(re.search(rf"^{name}=(\d+)$", text, re.MULTILINE)[1])

    assert setting(nginx, "TasksMax") > 3 * cores + 3  # old workers of two reloads, master, the cache's two
    assert setting(nginx, "LimitNOFILE") == budget.count("nginx", "worker_rlimit_nofile")
    assert setting(service, "TasksMax") > 1 + 41 * budget.count("blog", "workers")  # anyio's 40 threads and the loop
    assert setting(service, "LimitNOFILE") > connections


def arithmetic(source: str) -> list[int]:
    """Lines of a template that compute a number."""
    tree = jinja2.Environment(autoescape=True).parse(source)
    kinds = (nodes.Mul, nodes.Sub, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Pow)
    found = [node.lineno for kind in kinds for node in tree.find_all(kind)]
    found += [node.lineno for node in tree.find_all(nodes.Filter) if node.name in {"max", "min", "sum", "round"}]
    for node in tree.find_all(nodes.Add):
        found += [side.lineno for side in (node.left, node.right) if isinstance(side, nodes.Const)]
    return found


def test_templates_compute_nothing():
    assert arithmetic("{{ n.workers + 1 }}{{ n.workers // 2 }}{{ [1, 2] | max }}") == [1, 1, 1]
    for template in SHIPPED.rglob("*.j2"):
        assert arithmetic(template.read_text()) == [], template.name
