"""observe: how files, packages, ports, databases and the record of earlier transactions are told."""

import base64
import hashlib
import json
import os
import socket
import stat

import pytest

from deployer.agent import observe, places, textfiles, unitstate


def wanted(path, content=b"", **more):
    return {"path": str(path), "kind": "file", "sha256": hashlib.sha256(content).hexdigest(), **more}


def told(*entries):
    files = observe.run({"files": list(entries)})["files"]
    return files[entries[0]["path"]] if len(entries) == 1 else files


@pytest.fixture(autouse=True)
def record(tmp_path_factory, monkeypatch):
    """A host of our own to keep the record on."""
    root = tmp_path_factory.mktemp("host")
    monkeypatch.setattr(places, "ROOT", str(root))
    return root


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "my.cnf"
    path.write_bytes(b"[mysqld]\n")
    path.chmod(0o640)
    return path


def test_a_file_that_is_as_wanted_comes_without_its_content(file):
    assert told(wanted(file, b"[mysqld]\n")) == {
        "kind": "file",
        "sha256": hashlib.sha256(b"[mysqld]\n").hexdigest(),
        "mode": "0640",
        "owner": "root" if os.getuid() == 0 else __import__("pwd").getpwuid(os.getuid()).pw_name,
        "group": __import__("grp").getgrgid(file.stat().st_gid).gr_name,
    }


def test_a_differing_file_comes_with_its_content(file):
    assert base64.b64decode(told(wanted(file))["content"]) == b"[mysqld]\n"


def test_a_secret_never_does(file):
    assert "content" not in told(wanted(file, secret=True))


def test_a_long_file_does_not(file):
    file.write_bytes(b"x" * (observe.CONTENT_LIMIT_BYTES + 1))
    assert told(wanted(file))["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert "content" not in told(wanted(file))


def test_all_contents_together_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(observe, "CONTENTS_LIMIT_BYTES", 25)
    entries = []
    for name in "abc":
        (tmp_path / name).write_bytes(b"0123456789")
        entries.append(wanted(tmp_path / name))
    assert ["content" in state for state in told(*entries).values()] == [True, True, False]


def test_set_id_bits_are_part_of_the_mode(file):
    file.chmod(0o2755)
    assert told(wanted(file))["mode"] == f"{stat.S_IMODE(file.stat().st_mode):04o}" == "2755"


def test_a_link_is_told_and_not_followed(file, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(file)
    assert told({"path": str(link), "kind": "link", "target": "x"}) == {"kind": "link", "target": str(file)}
    assert told(wanted(link)) == {"kind": "link", "target": str(file)}
    link.unlink()
    link.symlink_to("/nowhere")
    assert told(wanted(link))["kind"] == "link"


def test_what_is_not_there_is_absent(tmp_path, file):
    assert told(wanted(tmp_path / "none")) == {"kind": "absent"}
    assert told(wanted(file / "below-a-file")) == {"kind": "absent"}


def test_a_directory_or_a_pipe_is_other_and_blocks_nothing(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert told(wanted(tmp_path / "pipe")) == {"kind": "other"}
    assert told(wanted(tmp_path)) == {"kind": "other"}


def test_paths_and_users(tmp_path):
    link = tmp_path / "dangling"
    link.symlink_to("/nowhere")
    answer = observe.run({"paths": ["/etc", str(link), "/nowhere"], "users": ["root", "nobody-of-ours"]})
    assert answer["paths"] == {"/etc": True, str(link): True, "/nowhere": False}
    assert answer["users"] == {"root": True, "nobody-of-ours": False}


def test_a_host_without_a_record_has_an_empty_one():
    answer = observe.run({})
    assert (answer["owned"], answer["done"], answer["last_transaction"]) == ({}, [], None)
    assert (answer["lock"], answer["open_transaction"]) == (None, None)


def test_the_record_of_the_last_commit_is_told(record, monkeypatch):
    path = record / "var/lib/deployer/manifest.json"
    path.parent.mkdir(parents=True)
    units = {"a.service": {"restart_hash": "r", "reload_hash": "l"}}
    path.write_text(json.dumps({"units": units, "owned": {"/a": "h"}, "done": ["k"], "last_transaction": "t1"}))
    monkeypatch.setattr(unitstate, "output", lambda argv, **_: "Id=a.service\nMainPID=7\n\nId=b.service\n")
    answer = observe.run({"units": ["a.service", "b.service"]})
    assert (answer["owned"], answer["done"], answer["last_transaction"]) == ({"/a": "h"}, ["k"], "t1")
    assert answer["units"]["a.service"]["restart_hash"] == "r"
    assert answer["units"]["a.service"]["reload_hash"] == "l"
    assert answer["units"]["b.service"]["restart_hash"] is None


def test_a_broken_record_is_an_error_and_no_empty_one(record):
    path = record / "var/lib/deployer/manifest.json"
    path.parent.mkdir(parents=True)
    path.write_text("{")
    with pytest.raises(Exception, match="manifest"):
        observe.run({})


@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_a_listener_is_named_and_a_client_is_none(family, address):
    with socket.socket(family) as server, socket.socket(family) as client, socket.socket(family) as bound:
        server.bind((address, 0))
        server.listen()
        client.connect(server.getsockname())
        bound.bind((address, 0))
        port, other, idle = (s.getsockname()[1] for s in (server, client, bound))
        found = observe.listeners([port, other, idle])
    assert found == {str(port): textfiles.read("/proc/self/comm").strip(), str(other): None, str(idle): None}


def test_packages_are_asked_for_once_and_only_installed_ones_have_a_version(monkeypatch):
    asked = []

    def output(argv):
        asked.append(argv)
        return "nginx\t1.22.1-9\tinstalled\nmariadb-server\t1:10.11\tconfig-files\nforeign\t1\tinstalled\n"

    monkeypatch.setattr(unitstate, "output", output)
    found = observe.packages(["nginx", "mariadb-server", "missing", "--help", "a*"])
    assert found == {"nginx": "1.22.1-9", "mariadb-server": None, "missing": None, "--help": None, "a*": None}
    assert len(asked) == 1
    assert asked[0][-3:] == ["nginx", "mariadb-server", "missing"]
