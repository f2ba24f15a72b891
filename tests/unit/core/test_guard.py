"""No template, ours or a user's, can make a setting that the declared server refuses, passes over or misreads."""

from __future__ import annotations

import pytest
from hosts import app, gunicorn, host

from deployer.allocate import allocate
from deployer.errors import RenderError
from deployer.readers import reader_of
from deployer.render import render
from deployer.services.mysql import MysqlSettings

UNIT = "gunicorn/app.service.j2"
NGINX = "nginx/nginx.conf.j2"
GUNICORN = "gunicorn/gunicorn.conf.py.j2"


def _files(declaration):
    return [file.wanted for file in render(declaration, allocate(declaration)).files]


MYCNF = next(one.template for one in _files(host()) if one.dialect.startswith("mycnf"))


def refusal(folder, template, text, **changes):
    path = folder / template
    path.parent.mkdir(parents=True)
    path.write_text(text)
    declaration = host(**changes)
    with pytest.raises(RenderError) as caught:
        render(declaration, allocate(declaration), template_folders=[folder])
    assert caught.value.exit_code == 3
    return caught.value


@pytest.mark.parametrize(
    ("template", "line", "reason"),
    [
        (MYCNF, "[mysqld]\nsort_buffer_size = 1GBX\n", "line 2: sort_buffer_size: misread"),
        (MYCNF, "[mysqld]\nquery_cache_type = 0\nquery_cache_size = 32M\n", "line 3: query_cache_size: misread"),
        (MYCNF, "[mysqld]\ninnodb_redo_log_capacity = 64M\n", "line 2: innodb_redo_log_capacity: fatal"),
        (UNIT, "[Service]\nExecStart=/bin/true\nFoo=1\n", "line 3: Foo: ignored: systemd 249 knows no Foo"),
        (GUNICORN, "workers = 1\nworker_memory_limit = 200\n", "line 2: worker_memory_limit: ignored"),
        (GUNICORN, "workers = (\n", "this is not Python"),
        (NGINX, "events {\n}\nhttp {\n    http2 on;\n}\n", "line 4: http2: fatal: http2 came with nginx 1.26"),
    ],
)
def test_a_users_template_that_its_server_would_not_take_is_refused_at_once(tmp_path, template, line, reason):
    error = refusal(tmp_path, template, line)
    assert reason in error.message
    assert error.where.startswith(f"{template}, for /etc/")


def test_the_query_cache_is_refused_for_mysql_and_taken_by_mariadb(tmp_path):
    mysql = MysqlSettings(flavour="mysql", version="8.4")
    declaration = host(mysql=mysql, memory_mib=4096)
    template = next(one.template for one in _files(declaration) if one.dialect.startswith("mycnf"))
    text = "[mysqld]\nquery_cache_size = 0\n"
    error = refusal(tmp_path, template, text, mysql=mysql, memory_mib=4096)
    assert "query_cache_size: fatal: mysql 8.4 knows no query_cache_size" in error.message
    mariadb = host()
    assert render(mariadb, allocate(mariadb)).files


def test_a_warning_of_a_later_release_does_not_stop_a_render(tmp_path):
    path = tmp_path / NGINX
    path.parent.mkdir()
    path.write_text("events {}\nhttp { server { listen 443 ssl http2; } }\n")
    declaration = host()
    assert render(declaration, allocate(declaration), template_folders=[tmp_path]).files


def test_the_reader_is_the_declared_release():
    declaration = host()
    assert reader_of(declaration, "mycnf") == "mycnf/mariadb/10.11"
    assert reader_of(declaration, "nginx") == "nginx/nginx/1.22"
    assert reader_of(declaration, "", "/etc/systemd/system/a.service") == "unit/systemd/249"
    assert reader_of(declaration, "redis") == "redis"
    assert reader_of(declaration, "", "/etc/hosts") == ""
    assert reader_of(declaration, "nginx/1.26") == "nginx/1.26"


def test_every_config_that_has_settings_has_a_reader():
    declaration = host(apps={"blog": app(gunicorn=gunicorn())})
    without = [one.path for one in _files(declaration) if not reader_of(declaration, one.dialect, one.path)]
    assert without == ["/etc/logrotate.d/nginx"]
