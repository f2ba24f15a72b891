"""Logging in to a real local VPS, starting the agent by every way of becoming root, and each way it can fail."""

from __future__ import annotations

import itertools
import socket
import subprocess
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from deployer import errors, packing
from deployer.transport import Login, Secret, bare_connect, connect

pytestmark = pytest.mark.real

PASSWORD = "a right passw0rd 'with\" $signs"
#: A user of the tests' own for each way of becoming root, so that the host's other users stay as they are.
SETUP = f"""
set -e
for user in tr-nopass tr-pass tr-none; do
    id $user >/dev/null 2>&1 || useradd --create-home --shell /bin/bash $user
    install -d -m 700 -o $user -g $user /home/$user/.ssh
    install -m 600 -o $user -g $user /root/.ssh/authorized_keys /home/$user/.ssh/authorized_keys
done
chpasswd <<'END'
tr-pass:{PASSWORD}
tr-none:{PASSWORD}
END
printf 'tr-nopass ALL=(ALL) NOPASSWD:ALL\\ntr-pass ALL=(ALL) ALL\\n' > /etc/sudoers.d/tr-users
chmod 440 /etc/sudoers.d/tr-users
"""
OBSERVE = {
    "op": "observe",
    "files": [{"path": "/etc/shadow", "kind": "file", "sha256": "", "secret": True}],
    "units": ["ssh.service", "nothing.service"],
    "packages": ["sudo", "no-such-package"],
    "ports": [22, 4],
}


class Host:
    """The VPS, as the tests reach it beside what they test."""

    def __init__(self, vps, directory):
        self.address = str(vps.address)
        self.key_file = Path(vps.key_file)
        self.known_hosts = directory / "known_hosts"
        scan = subprocess.run(
            ["ssh-keyscan", "-T", "10", self.address], capture_output=True, text=True, check=True, timeout=60
        )
        self.known_hosts.write_text(scan.stdout)
        self.keys = {line.split()[1]: line.split(" ", 1)[1] for line in scan.stdout.splitlines() if line[0] != "#"}
        self.sh(SETUP)

    def login(self, user="root", **more):
        options = {"known_hosts_files": (self.known_hosts,), "key_files": (self.key_file,), "connect_timeout_s": 5.0}
        return Login(address=self.address, user=user, **{**options, **more})

    def sh(self, script, data=""):
        argv = ["ssh", "-i", self.key_file, "-o", f"UserKnownHostsFile={self.known_hosts}", "-o", "BatchMode=yes"]
        done = subprocess.run(
            [*argv, f"root@{self.address}", script],
            input=data,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def host(vps, tmp_path_factory):
    return Host(vps, tmp_path_factory.mktemp("transport"))


def observe(login, request=OBSERVE):
    with connect(login) as remote, remote.agent() as agent:
        return agent.call(request)


@contextmanager
def raises(kind, *words):
    """Expect an error of exactly this kind, soon, whose text holds the words."""
    began = time.monotonic()
    with pytest.raises(kind) as caught:
        yield caught
    assert type(caught.value) is kind
    for word in words:
        assert word in caught.value.diagnostics()
    assert time.monotonic() - began < 12


# -- becoming root


@pytest.mark.parametrize(
    ("user", "password"),
    [("root", None), ("root", PASSWORD), ("tr-nopass", None), ("tr-nopass", PASSWORD), ("tr-pass", PASSWORD)],
)
def test_the_agent_runs_as_root_by_every_way(host, user, password):
    found = observe(host.login(user, sudo_password=Secret(password) if password else None))
    assert len(found["files"]["/etc/shadow"]["sha256"]) == 64
    assert "content" not in found["files"]["/etc/shadow"]
    assert found["units"]["ssh.service"]["active"] == "active"
    assert found["units"]["nothing.service"]["load"] == "not-found"
    assert found["packages"]["sudo"]
    assert found["packages"]["no-such-package"] is None
    assert found["ports"] == {"22": "sshd", "4": None}
    assert found["facts"]["os_id"] in ("debian", "ubuntu")
    assert found["facts"]["systemd"] >= 249


def test_sudo_in_a_terminal_of_its_own_spoils_no_frame(host):
    host.sh("echo 'Defaults use_pty' > /etc/sudoers.d/tr-pty")
    try:
        with connect(host.login("tr-pass", sudo_password=Secret(PASSWORD))) as remote, remote.agent() as agent:
            with pytest.raises(errors.AgentError, match="no operation"):
                agent.call({"op": "nothing"}, bytes(range(256)) * 8192)
            assert agent.call(OBSERVE)["ports"]["22"] == "sshd"
    finally:
        host.sh("rm /etc/sudoers.d/tr-pty")


@pytest.fixture
def kept(host):
    """Leave the agent's text on the host, as a commit does."""
    program = packing.agent_program()
    path = f"{packing.KEPT}{program.sha256}.py"
    host.sh(f"install -d -m 700 {packing.KEPT}; cat > {path}", program.text)
    yield path
    host.sh(f"rm -r {packing.KEPT}")


@pytest.mark.parametrize("user", ["root", "tr-nopass", "tr-pass"])
def test_an_agent_that_the_host_has_kept_is_only_named(host, kept, user, monkeypatch):
    password = Secret(PASSWORD) if user == "tr-pass" else None
    monkeypatch.setattr(packing.Program, "wire", b"0000000002no")
    assert observe(host.login(user, sudo_password=password))["ports"]["22"] == "sshd"
    host.sh(f"echo '# one line more' >> {kept}")
    with pytest.raises(errors.DeployerError):  # it is not run, and what is sent in its place is no program
        observe(host.login(user, sudo_password=password))
    monkeypatch.undo()
    assert observe(host.login(user, sudo_password=password))["ports"]["22"] == "sshd"


@pytest.mark.parametrize(("user", "password", "turns"), [("tr-nopass", None, 1), ("tr-pass", Secret(PASSWORD), 2)])
@pytest.mark.parametrize("has_kept", [True, False])
def test_a_sudo_password_costs_one_round_trip_and_no_channel(host, request, has_kept, user, password, turns):
    """sudo logs the command line, so the program comes by stdin, and only once sudo has taken the password.

    A round trip is a time that we have to hear something before we can say the next; `bench.noop` measures them.
    """
    if has_kept:
        request.getfixturevalue("kept")
    else:
        turns += 1  # the question whether it has
    with connect(host.login(user, sudo_password=password)) as remote, remote.agent() as agent:
        said = []
        wire, agent._wire = agent._wire, Listening(agent._wire, said)
        agent.call({"op": "observe"})
        assert remote.channels == 1
        logged = host.sh("journalctl -q -t sudo -o cat | grep COMMAND= | tail -1")
        agent._wire = wire
    assert len([turn for turn in itertools.pairwise(["heard", *said]) if turn == ("heard", "said")]) == turns
    assert "COMMAND=/usr/bin/python3" in logged
    assert len(logged) < 1000, "the program is in no log"


class Listening:
    """A wire, and the order of what goes over it."""

    def __init__(self, wire, said):
        self._wire, self._said = wire, said

    def __getattr__(self, name):
        return getattr(self._wire, name)

    def write(self, data, timeout_s):
        self._said.append("said")
        self._wire.write(data, timeout_s)

    def read(self, timeout_s):
        arrived = self._wire.read(timeout_s)
        if arrived.out or arrived.err:
            self._said.append("heard")
        return arrived


def test_a_wrong_sudo_password_is_named(host):
    with raises(errors.SudoError, "refused the password", "untouched"):
        observe(host.login("tr-pass", sudo_password=Secret("wrong")))


def test_a_missing_sudo_password_is_named(host):
    with raises(errors.SudoError, "asks for a password"):
        observe(host.login("tr-pass"))


def test_a_user_who_may_not_use_sudo_is_named(host):
    with raises(errors.SudoError, "may not use sudo"):
        observe(host.login("tr-none", sudo_password=Secret(PASSWORD)))


def test_the_password_is_in_no_log_and_no_process_list_of_the_host(host):
    with connect(host.login("tr-pass", sudo_password=Secret(PASSWORD))) as remote, remote.agent() as agent:
        agent.call(OBSERVE)
        seen = host.sh(
            "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'; journalctl -b --no-pager"
        )
    assert "deployer-" in seen
    assert "passw0rd" not in seen


# -- host keys


def test_every_kind_of_key_will_do_at_any_port(host, tmp_path):
    host.sh("""
        cd /run; for kind in rsa ecdsa ed25519; do rm -f tr-$kind; ssh-keygen -q -t $kind -N '' -f tr-$kind; done
        /usr/sbin/sshd -p 2222 -o PidFile=/run/tr-sshd.pid -h /run/tr-rsa -h /run/tr-ecdsa -h /run/tr-ed25519
    """)
    try:
        for kind in ("rsa", "ecdsa", "ed25519"):
            text = " ".join(host.sh(f"cat /run/tr-{kind}.pub").split()[:2])
            file = tmp_path / "one"
            file.write_text(f"[{host.address}]:2222 {text}\n")
            bare_connect(host.login(port=2222, known_hosts_files=(file,)))
            bare_connect(host.login(port=2222, host_key=text, known_hosts_files=None))
            file.write_text(f"{host.address} {text}\n")  # the key of another port is not this port's
            with raises(errors.HostKeyError, "not known"):
                connect(host.login(port=2222, known_hosts_files=(file,)))
    finally:
        host.sh("kill $(cat /run/tr-sshd.pid)")


def test_hashed_names_and_lines_of_others_are_read(host, tmp_path):
    file = tmp_path / "hashed"
    file.write_text("@cert-authority * ssh-ed25519 AAAA\nbroken\n" + host.known_hosts.read_text())
    subprocess.run(["ssh-keygen", "-H", "-f", file], capture_output=True, check=False)
    subprocess.run(["ssh-keygen", "-H", "-f", host.known_hosts], capture_output=True, check=True)
    text = host.known_hosts.read_text()
    assert host.address not in text
    file.write_text("@cert-authority * ssh-ed25519 AAAA\nbroken\n" + text)
    bare_connect(host.login(known_hosts_files=(file,)))


def test_an_unknown_key_is_refused_with_the_fingerprint_and_what_to_do(host, tmp_path):
    shown = subprocess.run(
        ["ssh-keygen", "-lf", "-"], input=host.keys["ssh-ed25519"], capture_output=True, text=True, check=True
    ).stdout.split()[1]
    with raises(errors.HostKeyError, "not known", shown, host.keys["ssh-ed25519"], "accept_new") as caught:
        connect(host.login(known_hosts_files=(tmp_path / "none",)))
    assert caught.value.exit_code == 8
    assert not (tmp_path / "none").exists()


def test_accepting_a_new_key_writes_it_down_and_says_so(host, tmp_path):
    file, said = tmp_path / "new" / "known_hosts", []
    with connect(host.login(known_hosts_files=(file,), accept_new=True), say=said.append):
        pass
    assert len(said) == 1
    assert "SHA256:" in said[0]
    assert str(file) in said[0]
    with connect(host.login(known_hosts_files=(file,), accept_new=True), say=said.append):
        pass
    assert len(said) == 1
    bare_connect(host.login(known_hosts_files=(file,)))


@pytest.mark.parametrize("accept_new", [False, True])
def test_a_changed_key_is_refused_with_its_own_message_even_where_new_ones_are_accepted(host, tmp_path, accept_new):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "other"], check=True)
    other = (tmp_path / "other.pub").read_text()
    file = tmp_path / "known_hosts"
    file.write_text(f"{host.address} {other}")
    for login in (
        host.login(known_hosts_files=(file,), accept_new=accept_new),
        host.login(host_key=other, accept_new=accept_new),
        host.login(host_key="SHA256:" + "A" * 43, accept_new=accept_new),
    ):
        with raises(errors.ChangedHostKeyError, "CHANGED"):
            connect(login)
    assert file.read_text() == f"{host.address} {other}"


def test_the_login_name_is_not_told_to_a_host_whose_key_is_unknown(host, tmp_path):
    with raises(errors.HostKeyError):
        connect(host.login("tr-secret-name", known_hosts_files=(tmp_path / "none",)))
    assert "tr-secret-name" not in host.sh("journalctl -b --no-pager")


# -- reaching it


def test_a_port_where_nothing_listens(host):
    with raises(errors.ConnectError, "refused"):
        connect(host.login(port=4))


def test_an_address_where_nobody_is(host):
    with raises(errors.ConnectError):
        connect(host.login(address="", connect_timeout_s=1.0) if not host.address else _nobody(host))


def _nobody(host):
    from dataclasses import replace

    return replace(host.login(connect_timeout_s=1.0), address=host.address.rpartition(".")[0] + ".253")


def test_a_name_that_is_none(host):
    from dataclasses import replace

    with raises(errors.ConnectError, "cannot be resolved"):
        connect(replace(host.login(), address="no-such-host.invalid"))


def test_a_key_that_is_not_accepted(host, tmp_path):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key"], check=True)
    with raises(errors.AuthError, "refused the login of 'root'"):
        connect(host.login(key_files=(tmp_path / "key",)))


def test_a_key_file_that_is_encrypted_or_missing(host, tmp_path):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", tmp_path / "key"], check=True)
    with raises(errors.AuthError, "encrypted", "ssh-agent"):
        connect(host.login(key_files=(tmp_path / "key",)))
    with raises(errors.AuthError, "no key file"):
        connect(host.login(key_files=(tmp_path / "none",)))


@pytest.mark.parametrize("greeting", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"x" * 100_000])
def test_what_listens_there_is_no_ssh_server(host, greeting, monkeypatch):
    from dataclasses import replace

    from deployer.transport import ssh

    monkeypatch.setattr(ssh, "BANNER_TIMEOUT_S", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            peer = server.accept()[0]
            with peer:
                peer.sendall(greeting)
                time.sleep(3)

        threading.Thread(target=serve, daemon=True).start()
        login = replace(host.login(), address="127.0.0.1", port=server.getsockname()[1])
        with raises(errors.ConnectError):
            connect(login)


def test_a_host_behind_another(host):
    behind = Login(
        address="127.0.0.1",
        user="root",
        key_files=(host.key_file,),
        host_key=host.keys["ssh-ed25519"],
        jump=host.login(),
    )
    assert observe(behind)["ports"]["22"] == "sshd"
    with raises(errors.ChangedHostKeyError, "CHANGED"):
        connect(Login(**{**_fields(behind), "jump": host.login(host_key="SHA256:" + "A" * 43)}))
    with raises(errors.ConnectError, "jump host cannot reach it"):
        connect(Login(**{**_fields(behind), "port": 4}))


def _fields(login):
    return {name: getattr(login, name) for name in Login.__dataclass_fields__}


# -- what is on it


def test_a_host_without_python_is_told_with_the_command_that_helps(host):
    host.sh("mv /usr/bin/python3 /usr/bin/python3.away")
    try:
        for login in (host.login(), host.login("tr-nopass"), host.login("tr-pass", sudo_password=Secret(PASSWORD))):
            with raises(errors.AgentError, "no python3", "apt-get install --yes python3-minimal"):
                observe(login)
    finally:
        host.sh("mv /usr/bin/python3.away /usr/bin/python3")


def test_a_login_that_is_closed_says_what_the_host_said(host):
    host.sh("usermod --shell /usr/sbin/nologin tr-none")
    try:
        with raises(errors.AgentError, "not available"):
            observe(host.login("tr-none"))
    finally:
        host.sh("usermod --shell /bin/bash tr-none")


def test_a_chatty_login_shell_does_not_disturb(host):
    host.sh("cp ~tr-nopass/.bashrc /tmp/rc; (echo 'echo hello; echo there >&2'; cat /tmp/rc) > ~tr-nopass/.bashrc")
    try:
        assert observe(host.login("tr-nopass"))["ports"]["22"] == "sshd"
    finally:
        host.sh("cp /tmp/rc ~tr-nopass/.bashrc")


def test_a_killed_agent_is_told_at_once(host):
    with connect(host.login()) as remote, remote.agent() as agent:
        agent.call(OBSERVE)
        _kill_agent(host)
        with raises(errors.ConnectError):
            agent.call(OBSERVE)


def _kill_agent(host):
    host.sh(
        "for p in /proc/[0-9]*; do grep -q DEPLOYER[-]AGENT $p/cmdline 2>/dev/null && kill -9 ${p#/proc/} || true; done"
    )


def test_one_connection_and_one_channel_carry_everything(host):
    count = "journalctl -b --no-pager -u ssh | grep -c 'Accepted publickey for tr-nopass' || true"
    before = int(host.sh(count))
    with connect(host.login("tr-nopass")) as remote, remote.agent() as agent:
        for _ in range(3):
            agent.call(OBSERVE)
        children = host.sh("ps -o pid= -u tr-nopass | wc -l")
    assert int(host.sh(count)) == before + 1
    assert int(children) > 0


def test_the_host_is_left_as_it_was(host):
    before = host.sh("find /etc /usr/local /var/lib/deployer /root /tmp -newer /proc/1 -type f 2>/dev/null | sort")
    observe(host.login())
    assert (
        host.sh("find /etc /usr/local /var/lib/deployer /root /tmp -newer /proc/1 -type f 2>/dev/null | sort") == before
    )
