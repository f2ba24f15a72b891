"""Each place that a secret may come from: read within bounds, and nothing of it in what is said when it cannot be."""

from __future__ import annotations

import os
import stat
import textwrap
import time
import traceback
from pathlib import Path
from typing import Any

import pytest

from deployer.deploy import login_of
from deployer.errors import InventoryError
from deployer.inventory import Entry, load_inventory
from deployer.references import AppSecret, SecretSource
from deployer.secretprograms import NoSecretError, printed_by
from deployer.secretvalues import LIMIT_BYTES, proof, read_secrets, secrets_of_apps
from deployer.transport import Secret

MARKER = "planted-5f1c"
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
        secrets: SECRETS
"""


def entry(tmp_path: Path, secrets: str = "[]", ssh: str = "") -> Entry:
    file = tmp_path / "hosts.yml"
    file.write_text(ENTRY.replace("SECRETS", secrets).replace("user: deploy", f"user: deploy{ssh}"))
    return load_inventory([file]).entry("web1")


def program(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


def value(tmp_path: Path, environ: dict[str, str] | None = None, **said: Any) -> str:
    found = read_secrets({"x": ("here", SecretSource(**said))}, entry(tmp_path), environ or {})
    return found["x"].reveal()


def refused(tmp_path: Path, environ: dict[str, str] | None = None, **said: Any) -> str:
    """Give what is said, after looking for the marker in the whole of the error."""
    with pytest.raises(InventoryError) as caught:
        value(tmp_path, environ, **said)
    assert MARKER not in everything_in(caught.value)
    assert caught.value.exit_code == 2
    return caught.value.diagnostics()


def everything_in(error: BaseException) -> str:
    """Put together all that a handler could show of an error: text, traceback, attributes; of its causes too."""
    said = ""
    chain = [error]
    for one in chain:
        chain += [more for more in (one.__cause__, one.__context__) if more is not None and more not in chain]
        said += "".join(traceback.format_exception(one, chain=False)) + repr(one) + repr(vars(one)) + repr(one.args)
    return said


def test_each_source_gives_its_value(tmp_path, monkeypatch):
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    monkeypatch.setenv("PATH", f"{bin_folder}:{os.environ['PATH']}")
    program(
        bin_folder, "age", f'[ "$*" = "--decrypt --identity {tmp_path}/k.txt {tmp_path}/y.age" ] && echo {MARKER}-age'
    )
    program(
        bin_folder,
        "sops",
        f'[ "$*" = \'--decrypt --extract ["shop"][0] {tmp_path}/app.yaml\' ] && printf {MARKER}-sops',
    )
    (tmp_path / "smtp").write_text(f"{MARKER} with a blank \n")
    assert value(tmp_path, {"A_b": f" {MARKER}\n"}, env="A_b") == f" {MARKER}\n"
    assert value(tmp_path, file="smtp") == f"{MARKER} with a blank "
    assert value(tmp_path, command=("printf", "%s\\r\\n", MARKER)) == MARKER
    assert value(tmp_path, command=("cat", "smtp")) == f"{MARKER} with a blank "
    assert value(tmp_path, age="y.age", identity_file="k.txt") == f"{MARKER}-age"
    assert value(tmp_path, sops="app.yaml", key=("shop", 0)) == f"{MARKER}-sops"


def test_one_line_end_is_dropped_and_no_more(tmp_path):
    (tmp_path / "pem").write_bytes(b"one\ntwo\n\n")
    assert value(tmp_path, file="pem") == "one\ntwo\n"


def test_all_that_cannot_be_read_is_told_at_once_and_by_name(tmp_path):
    secrets = "[own, {name: a, env: NOT_SET}, {name: b, file: nowhere}, {name: c, command: [no-such-tool]}]"
    found = entry(tmp_path, secrets)
    with pytest.raises(InventoryError) as caught:
        read_secrets(secrets_of_apps(found), found, {})
    assert caught.value.message == "3 secrets of web1 cannot be read"
    assert caught.value.problems == (
        "hosts.web1.apps.blog.secrets: a: the environment variable NOT_SET: it is not set",
        "hosts.web1.apps.blog.secrets: b: the file nowhere: it cannot be read: No such file or directory",
        "hosts.web1.apps.blog.secrets: c: the command no-such-tool: no-such-tool is not installed on this machine",
    )
    assert found.host.apps["blog"].secret_sources["own"] is None


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (
            {"command": ("sh", "-c", f"echo {MARKER[:4]}''{MARKER[4:]}; echo {MARKER[:4]}''{MARKER[4:]} >&2; exit 3")},
            "status 3",
        ),
        ({"command": ("sh", "-c", "kill -9 $$")}, "was ended by signal 9"),
        ({"command": ("true",)}, "it is empty"),
        ({"command": ("cat", "/dev/zero")}, "printed more than 64 KiB"),
        ({"command": ("head", "-c", str(LIMIT_BYTES + 1), "/dev/zero")}, "larger than 64 KiB"),
        ({"command": ("printf", f"{MARKER[:4]}%s\\377", MARKER[4:])}, "no text in UTF-8"),
        ({"command": ("printf", f"{MARKER[:4]}%s\\000", MARKER[4:])}, "no text in UTF-8"),
        ({"command": ("/etc",)}, "/etc cannot be run"),
        ({"file": "/dev/zero"}, "it is no plain file"),
        ({"file": "pipe"}, "it is no plain file"),
        ({"file": "/etc"}, "it cannot be read: Is a directory"),
        ({"file": "binary"}, "no text in UTF-8; keep it as base64"),
        ({"file": "large"}, "larger than 64 KiB"),
        ({"file": "empty"}, "it is empty"),
        ({"age": "y.age", "identity_file": "k"}, "age is not installed"),
        ({"sops": "y.yaml"}, "sops is not installed"),
        ({"env": "BINARY"}, "no text in UTF-8"),
        ({"env": "EMPTY"}, "it is empty"),
    ],
)
def test_what_gives_no_secret_is_refused_without_a_word_of_what_it_gave(tmp_path, monkeypatch, said, reason):
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sh", "cat", "head", "printf", "true"):
        (folder / name).symlink_to(f"/bin/{name}" if Path(f"/bin/{name}").exists() else f"/usr/bin/{name}")
    monkeypatch.setenv("PATH", str(folder))
    (tmp_path / "binary").write_bytes(MARKER.encode() + b"\xff")
    (tmp_path / "large").write_bytes(MARKER.encode() * 10_000)
    (tmp_path / "empty").write_bytes(b"\n")
    os.mkfifo(tmp_path / "pipe")
    environ = {"BINARY": MARKER + "\udcff", "EMPTY": ""}
    assert reason in refused(tmp_path, environ, **said)


def test_a_program_that_hangs_is_ended_with_all_that_it_started(tmp_path):
    began = time.monotonic()
    with pytest.raises(NoSecretError, match=r"sh did not end within 0.5 s"):
        printed_by(["sh", "-c", "sleep 31 & echo $! > pid; wait"], tmp_path, limit_bytes=10, timeout_s=0.5)
    assert time.monotonic() - began < 5
    pid = (tmp_path / "pid").read_text().strip()
    state = Path(f"/proc/{pid}/stat")
    for _ in range(50):
        if not state.exists() or state.read_text().split()[2] == "Z":
            break
        time.sleep(0.1)
    else:
        pytest.fail("what it started lives on")


def test_a_child_that_keeps_the_output_open_holds_nobody_up(tmp_path):
    began = time.monotonic()
    assert printed_by(["sh", "-c", "echo x; sleep 4 &"], tmp_path, limit_bytes=10) == b"x\n"
    assert time.monotonic() - began < 3


def test_what_a_program_complains_of_is_shown_to_nobody_and_does_not_block_it(tmp_path, capfd):
    complaints = f"i=0; while [ $i -lt 9000 ]; do echo {MARKER} >&2; i=$((i+1)); done; echo x"
    assert printed_by(["sh", "-c", complaints], tmp_path, limit_bytes=10, timeout_s=20) == b"x\n"
    assert capfd.readouterr() == ("", "")


@pytest.fixture
def typed():
    """Somebody types into this process."""
    end, ours = os.pipe()
    before = os.dup(0)
    os.write(ours, b"typed\n")
    os.dup2(end, 0)
    yield
    os.dup2(before, 0)
    for one in (end, ours, before):
        os.close(one)


@pytest.mark.usefixtures("typed")
def test_a_program_has_no_terminal_and_no_input(tmp_path):
    program(tmp_path, "asks", 'read answer; (: < /dev/tty) 2>/dev/null && echo terminal; echo "<$answer>"')
    assert value(tmp_path, command=("./asks",)) == "<>"


@pytest.mark.parametrize(
    ("secrets", "said"),
    [
        ("[{name: a, env: X, file: y}]", "it can come from one place only, not from env and file"),
        ("[{name: a, age: x.age}]", "age and identity_file belong together"),
        ("[{name: a, env: X, key: [a]}]", "write sops: FILE besides"),
        ("[{env: X}]", "secrets[0].name: is required"),
        (f"[{{name: a, value: {MARKER}}}]", "secrets[0].value: unknown key; expected one of env, file"),
        ("[{name: ../a, env: X}]", "secrets[0].name: expected text matching"),
        ('[{name: "a\\n", env: X}]', "secrets[0].name: expected text matching"),
        ("[a, {name: a, env: X}]", "secrets[1]: a is there twice"),
        (
            "[{name: database_password, env: X}]\n        database: {}",
            "the host makes the password of the app's database",
        ),
        ("[]\n        environment: {}\n    slo: {x: 1}", "slo.x"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path, secrets, said):
    with pytest.raises(InventoryError) as caught:
        entry(tmp_path, secrets)
    assert said in "\n".join(caught.value.problems)
    assert MARKER not in everything_in(caught.value)


def test_a_secret_with_no_source_is_made_on_the_host(tmp_path):
    found = entry(tmp_path, "[a, {name: b}]")
    assert secrets_of_apps(found) == {}
    assert set(found.host.apps["blog"].secret_sources) == {"a", "b"}
    assert str(AppSecret(name="b")) == "the host itself"


def test_what_the_documentation_shows_is_taken(tmp_path):
    page = (Path(__file__).parents[3] / "docs/secrets.md").read_text()
    shown = page.partition("```yaml\nsecrets:\n")[2].partition("```")[0]
    found = entry(tmp_path, "\n" + textwrap.indent(shown, " " * 8))
    ways = [source.way if source else None for source in found.host.apps["blog"].secret_sources.values()]
    assert ways == [None, "env", "file", "command", "age", "sops"]


def test_the_sudo_password_takes_the_same_form(tmp_path):
    (tmp_path / "pw").write_text("hunter2\n")
    login = login_of(entry(tmp_path, ssh=", sudo_password: {file: pw}"), {})
    assert login.sudo_password == Secret("hunter2")
    with pytest.raises(InventoryError, match="cannot be read"):
        login_of(entry(tmp_path, ssh=", sudo_password: {env: NOT_SET}"), {})
    for wrong in ("sudo_password: {env: A}, sudo_password_env: B", "sudo_password: {}", "sudo_password: {name: x}"):
        with pytest.raises(InventoryError):
            entry(tmp_path, ssh=f", {wrong}")


def test_a_proof_is_of_one_session_one_path_and_one_value():
    proofs = {
        proof(nonce, path, Secret(text)) for nonce in ("00" * 32, "01" * 32) for path in "ab" for text in ("x", "y")
    }
    assert len(proofs) == 8


def test_a_file_that_is_read_is_left_as_it_is(tmp_path):
    (tmp_path / "smtp").write_text("x")
    (tmp_path / "smtp").chmod(0o400)
    value(tmp_path, file="smtp")
    assert stat.S_IMODE((tmp_path / "smtp").stat().st_mode) == 0o400
