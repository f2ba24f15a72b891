"""What a config includes is read with it where it lies beside it, within bounds; what is not read is said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from deployer.allocate import allocate
from deployer.inventory import load_inventory
from deployer.lint import Finding, Kind, included, lint, reader_for

BLOG = load_inventory([Path(__file__).parents[3] / "inventories"]).entry("blog1").declaration
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(files: dict[str, str | bytes]) -> Path:
        """Write files; the first is the one that is given."""
        for name, content in files.items():
            path = tmp_path / "etc" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return tmp_path / "etc" / next(iter(files))

    return written


def findings(path: Path) -> list[Finding]:
    text = path.read_text()
    reader = reader_for(str(path), text, BLOG)
    return list(lint(text, reader, BLOG, allocate(BLOG), filename=str(path), given=path))


def told(path: Path) -> set[tuple[str, str, str, int]]:
    return {(str(one.kind), one.name, one.file, one.line) for one in findings(path)}


@pytest.mark.parametrize("how", ["conf.d/*.conf", "/etc/nginx/conf.d/*.conf"])
def test_nginx_reads_what_lies_beside_it_in_the_block_that_includes_it(write: Write, how: str) -> None:
    path = write(
        {
            "nginx.conf": f"events {{}}\nhttp {{\n    include {how};\n}}\n",
            "conf.d/b.conf": "server {\n    include snippets/c.conf;\n}\n",
            "conf.d/a.conf": "# one\nworker_processes 2;\n",
            "conf.d/not.txt": "nonsense;",
            "snippets/c.conf": "nonsense on;",
        }
    )
    assert told(path) == {
        ("fatal", "worker_processes", "conf.d/a.conf", 2),  # it cannot stand in http
        ("fatal", "nonsense", "snippets/c.conf", 1),
    }


def test_a_directive_that_stands_twice_names_the_other_file(write: Write) -> None:
    path = write(
        {
            "nginx.conf": "events {}\nhttp {\n    keepalive_requests 10;\n    include a.conf;\n}\n",
            "a.conf": "\nkeepalive_requests 20;\n",
        }
    )
    (found,) = findings(path)
    assert (found.kind, found.file, found.line) == (Kind.FATAL, "a.conf", 2)
    assert found.message.endswith("in line 3 of the file itself")


def test_mariadb_is_priced_with_what_it_includes(write: Write) -> None:
    path = write(
        {
            "my.cnf": "!include /etc/mysql/own.cnf\n!includedir /etc/mysql/conf.d/\n",
            "own.cnf": "[mysqld]\nnonsense = 1\n",
            "conf.d/10.cnf": "[mysqld]\ninnodb_buffer_pool_size = 8G\n",
            "conf.d/20.cnf": "[mysqld]\nmax_connections = 20\n",
            "conf.d/30.txt": "[mysqld]\nmore_nonsense = 20\n",
        }
    )
    assert told(path) == {
        ("fatal", "nonsense", "own.cnf", 2),
        ("over budget", "max_connections", "conf.d/20.cnf", 2),
    }


def test_redis_and_postgresql_include_too(write: Write) -> None:
    path = write({"redis.conf": "include /etc/redis/own.conf\n", "own.conf": "maxmemory 16mb\nnonsense 1\n"})
    assert told(path) == {
        ("fatal", "nonsense", "own.conf", 2),
        ("over budget", "maxmemory", "own.conf", 1),  # blog1 has no Redis
    }
    path = write(
        {
            "postgresql.conf": "include_dir = 'conf.d'\ninclude_if_exists = 'gone.conf'\ninclude 'one.conf'\n",
            "conf.d/a.conf": "nonsense = 1\n",
            "one.conf": "jit = perhaps\n",
        }
    )
    assert told(path) == {("fatal", "nonsense", "conf.d/a.conf", 1), ("fatal", "jit", "one.conf", 1)}


def test_a_unit_is_read_with_its_drop_ins(write: Write) -> None:
    path = write(
        {
            "some.service": "[Unit]\nDescription=x\n[Service]\nExecStart=/bin/true\n",
            "some.service.d/10.conf": "[Service]\nExecStart=\nNonsense=1\n",
            "other.service.d/10.conf": "[Service]\nNonsense=1\n",
        }
    )
    assert told(path) == {("ignored", "Nonsense", "some.service.d/10.conf", 3)}


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("/etc/nginx/conf.d/*.conf", "not read: /etc/nginx/conf.d/*.conf: it does not lie beside this file"),
        ("../secrets.conf", "not read: ../secrets.conf: it does not lie beside this file"),
        ("/etc/shadow", "not read: /etc/shadow: it does not lie beside this file"),
        ("link.conf", "not read: link.conf: it does not lie beside this file"),
        ("binary.conf", "not read: binary.conf: it is no text that can be read"),
        ("large.conf", "not read: large.conf: all that is included is more than 1024 KiB"),
        ("self.conf", "not read: self.conf: it includes itself"),
        ("nginx.conf", "not read: nginx.conf: it includes itself"),
    ],
)
def test_what_is_not_read_is_said_and_is_no_failure(write: Write, tmp_path: Path, wanted: str, said: str) -> None:
    path = write(
        {
            "nginx.conf": f"http {{\n    include {wanted};\n}}\n",
            "binary.conf": b"\xff\xfe",
            "large.conf": "#" * (1 << 20),
            "large2.conf": "",
            "self.conf": "# again\ninclude self.conf;\n",
        }
    )
    (tmp_path / "secrets.conf").write_text("nonsense on;")
    (path.parent / "link.conf").symlink_to(tmp_path / "secrets.conf")
    if wanted == "large.conf":
        path.parent.joinpath("large.conf").write_text("#" * ((1 << 20) + 1))
    found = findings(path)
    assert [one.kind for one in found] == [Kind.NOT_READ]
    assert found[0].message.startswith(said)


def test_an_empty_folder_and_files_of_the_package_are_no_finding(write: Write) -> None:
    path = write({"nginx.conf": "http {\n include conf.d/*.conf;\n include /etc/nginx/mime.types;\n}\n"})
    (path.parent / "conf.d").mkdir()
    assert findings(path) == []


def test_files_are_bounded_in_number_and_depth(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    chain = {f"{n}.conf": f"include {n + 1}.conf;\n" for n in range(included.DEEPEST + 3)}
    found = findings(write({"nginx.conf": "http { include 0.conf; }\n", **chain}))
    assert [one.message.partition(": ")[2].partition(";")[0] for one in found] == [
        f"{included.DEEPEST}.conf: files include one another more than {included.DEEPEST} levels deep"
    ]
    # each includes the next one twice: 2 ^ 7 files if nobody counted
    fan = {f"{n}.conf": f"include {n + 1}.conf;\n" * 2 for n in range(included.DEEPEST - 1)}
    monkeypatch.setattr(included, "MOST_FILES", 20)
    found = findings(write({"nginx.conf": "http { include 0.conf; }\n", **fan, f"{included.DEEPEST - 1}.conf": "#\n"}))
    assert {one.kind for one in found} == {Kind.NOT_READ}
    assert any("more than 20 files" in one.message for one in found)


def test_a_file_that_no_server_reads_is_fatal_where_it_stands(write: Write) -> None:
    path = write({"my.cnf": "!includedir conf.d\n", "conf.d/a.cnf": "\nmax_connections = 1\n"})
    (found,) = findings(path)
    assert (found.kind, found.file, found.line) == (Kind.FATAL, "conf.d/a.cnf", 2)
