"""SSH in all its forms against real sshds: host certificates, ssh_config, jump hosts, agents, and hosts that stop."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sshd_variants import DIRECTORY, PASSWORD, VARIANTS, Relay, Variants, refused, ssh_agent, strangers

from deployer import errors
from deployer.access import login_of
from deployer.inventory import load_inventory
from deployer.transport import Login, Secret, bare_connect, connect, identity, ssh

pytestmark = pytest.mark.real

OBSERVE = {"op": "observe", "ports": [22]}
INVENTORY = """\
hosts:
  web1:
    hardware: {{cpu_cores: 1, memory_mib: 1024, disk_gib: 16}}
    ssh: {{{ssh}}}
"""


@pytest.fixture(scope="module")
def host(vps, tmp_path_factory):
    variants = Variants(vps.only, tmp_path_factory.mktemp("ssh-matrix"))
    yield variants
    variants.stop()


def login(host, name, *known, **more):
    options = {"key_files": (host.key_file,), "connect_timeout_s": 5.0}
    if known:
        options["known_hosts_files"] = (host.known(*known),)
    return Login(address=host.address, port=VARIANTS[name][0], user="root", **{**options, **more})


# -- host certificates


@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_a_certificate_of_a_known_authority_will_do(host, kind):
    for pattern in (host.at(kind), "*"):
        bare_connect(login(host, kind, f"@cert-authority {pattern} {host.public(f'ca-{kind}')}"))
    alias = f"@cert-authority matrix {host.public(f'ca-{kind}')}"
    bare_connect(login(host, kind, alias, key_alias="matrix"))


def test_authorities_stand_beside_plain_keys_and_hashed_names(host):
    file = host.known(f"{host.address} {host.public('plain')}")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", file], check=True, capture_output=True, timeout=30)
    with file.open("a") as handle:
        handle.write(f"@cert-authority * {host.public('ca-ed25519')}\n{host.plain_line('plain')}\n")
    for name in ("ed25519", "plain"):
        bare_connect(login(host, name, known_hosts_files=(file,)))


@pytest.mark.parametrize(
    ("name", "authority", "words"),
    [
        ("expired", "ca-ed25519", "ended on 2021-01-01"),
        ("elsewhere", "ca-ed25519", "it is for other.example, not for"),
        ("nobody", "ca-ed25519", "no name at all"),
        ("ed25519", "ca-ecdsa", "its authority"),
    ],
)
def test_a_certificate_that_does_not_fit_is_refused_unless_its_key_is_known_by_itself(host, name, authority, words):
    line = f"@cert-authority * {host.public(authority)}"
    with refused(errors.HostKeyError, "certificate is not accepted", words):
        connect(login(host, name, line, accept_new=True))
    bare_connect(login(host, name, line, host.plain_line(name)))


@pytest.mark.parametrize("revoked", ["ca-ed25519", "ed25519"])
def test_a_revoked_key_or_authority_is_refused(host, revoked):
    lines = f"@cert-authority * {host.public('ca-ed25519')}", f"@revoked * {host.public(revoked)}"
    with refused(errors.HostKeyError, "revoked" if revoked.startswith("ca") else "REVOKED"):
        connect(login(host, "ed25519", *lines))


def test_a_host_without_the_promised_certificate_is_refused_even_where_new_keys_are_accepted(host):
    with refused(errors.HostKeyError, "shows no certificate", host.public("plain")):
        connect(login(host, "plain", f"@cert-authority * {host.public('ca-ed25519')}", accept_new=True))


def test_one_known_key_of_several_will_do_and_a_changed_one_is_told(host):
    other, right = host.public("plain"), host.public("ed25519")
    rsa = host.public("ca-rsa")
    bare_connect(login(host, "several", f"{host.at('several')} {rsa}", f"{host.at('several')} {right}"))
    bare_connect(login(host, "several", f"{host.at('several')} {host.public('rsa')}"))
    with refused(errors.ChangedHostKeyError, "CHANGED"):
        connect(login(host, "several", f"{host.at('several')} {other}", f"{host.at('several')} {host.public('rsa')}"))


# -- ssh_config


def write_config(host, text):
    file = host.directory / f"config-{time.monotonic_ns()}"
    file.write_text(text)
    return file


def from_inventory(host, config, ssh="address: alias", environ=None):
    file = host.directory / f"hosts-{time.monotonic_ns()}.yml"
    file.write_text(INVENTORY.format(ssh=f"{ssh}, config: '{config}'"))
    return login_of(load_inventory([file]).entry("web1"), environ or {})


def test_an_alias_just_works_with_all_that_ssh_config_says_of_it(host):
    known = host.known(f"matrix {host.public('plain')}")
    nested = write_config(host, f"Host al*\n  IdentityFile {host.key_file}\n  HostKeyAlias matrix\n")
    included = write_config(host, f"Include {nested}\nHost *\n  UserKnownHostsFile {known}\n  Port 2206\n")
    words = f"  HostName {host.address}\n  User matrix\n  IdentitiesOnly yes\n"
    config = write_config(host, f"Include {included}*\nMatch originalhost alias\n{words}")
    found = from_inventory(host, config, "address: alias, sudo_password_env: PW", {"PW": PASSWORD})
    assert (found.place, found.key_name) == (f"matrix@[{host.address}]:2206", "matrix")
    with connect(found) as remote, remote.agent() as agent:
        assert agent.call(OBSERVE)["ports"] == {"22": "sshd"}


def test_a_proxy_jump_over_two_hosts_checks_each_of_them(host):
    names = {"first": "plain", "second": "ed25519", "alias": "rsa"}
    known = host.known(*(f"{name} {host.public(variant)}" for name, variant in names.items()))
    text = (
        f"Host second alias\n  HostName 127.0.0.1\nHost first\n  HostName {host.address}\n"
        + "".join(f"Host {name}\n  HostKeyAlias {name}\n  Port {VARIANTS[names[name]][0]}\n" for name in names)
        + f"Host alias\n  ProxyJump first,matrix@second\n"
        f"Host *\n  IdentityFile {host.key_file}\n  UserKnownHostsFile {{}}\n  User root\n"
    )
    found = from_inventory(host, write_config(host, text.format(known)))
    assert (found.jump.user, found.jump.jump.port) == ("matrix", 2206)
    with connect(found) as remote, remote.agent() as agent:
        assert agent.call(OBSERVE)["ports"] == {"22": "sshd"}
    wrong = host.known(*(f"{name} {host.public(variant)}" for name, variant in names.items() if name != "second"))
    with refused(errors.HostKeyError, "matrix@[127.0.0.1]:2201", "not known"):
        connect(from_inventory(host, write_config(host, text.format(wrong))))


def test_what_ssh_config_says_of_strictness_lets_no_unknown_key_in(host):
    text = f"""
Host *
  StrictHostKeyChecking no
  HostName {host.address}
  Port 2206
  IdentityFile {host.key_file}
  UserKnownHostsFile {{}}
"""
    file = host.directory / "written" / "known"
    config = write_config(host, text.format(file))
    with refused(errors.HostKeyError, "not known"):
        connect(from_inventory(host, config))
    assert not file.exists()
    said = []
    with connect(from_inventory(host, config, "address: alias, accept_new: true"), say=said.append):
        assert str(file) in said[0]
    bare_connect(from_inventory(host, config))
    never = write_config(host, text.format("none") + "  GlobalKnownHostsFile none\n")
    with refused(errors.HostKeyError, "cannot be written down"):
        connect(from_inventory(host, never, "address: alias, accept_new: true"))


def test_a_proxy_command_leads_to_the_host_and_its_words_are_told(host):
    options = f"-i {host.key_file} -o UserKnownHostsFile={host.vps.known_hosts_file} -o GlobalKnownHostsFile=/dev/null"
    gate = f"ssh -F none {options} -W %h:%p root@{host.address}"
    found = login(host, "plain", f"127.0.0.1 {host.public('plain')}", key_alias="127.0.0.1", proxy_command="x")
    config = write_config(host, f"Host *\n  ProxyCommand {gate}\n  Port 2206\n")
    command = from_inventory(host, config, "address: 127.0.0.1").proxy_command
    assert "%" not in command
    bare_connect(_with(found, proxy_command=command, address="127.0.0.1"))
    with refused(errors.ConnectError, "exit status 3", "no way"):
        connect(_with(found, proxy_command="sh -c 'echo no way >&2; exit 3'"))
    with refused(errors.ConnectError, "said nothing for 1 s", within_s=5):
        connect(_with(found, proxy_command="sleep 61.5", connect_timeout_s=1.0))
    assert not [line for line in _processes() if "sleep\x0061.5" in line]


def _with(one, **changes):
    return Login(**{**{name: getattr(one, name) for name in Login.__dataclass_fields__}, **changes})


def _processes():
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            yield file.read_text()


# -- who we are


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("ed25519", ()),
        ("rsa", ("-b", "2048")),
        ("ecdsa", ()),
        ("rsa", ("-b", "2048", "-m", "PEM")),
        ("ecdsa", ("-m", "PEM")),
    ],
)
def test_every_kind_of_private_key_will_do(host, kind, more):
    key = host.new_key(kind, "", *more)
    bare_connect(login(host, "plain", host.plain_line("plain"), key_files=(key,)))


def test_a_certificate_of_ours_lies_beside_the_key_and_an_ended_one_does_not_hide_it(host):
    for validity, variants in (("-1h:+1d", ("signed", "plain")), ("20200101:20210101", ("plain",))):
        key = host.new_key()
        certificate = key.with_name(f"{key.name}-cert.pub")
        public = key.with_name(f"{key.name}.pub").read_text().strip()
        sign = f"ssh-keygen -q -s ca-ed25519 -I us -n root -V {validity} /tmp/us.pub && cat /tmp/us-cert.pub"
        certificate.write_text(host.sh(f"cd {DIRECTORY}; echo '{public}' > /tmp/us.pub; {sign}"))
        for name in variants:
            bare_connect(login(host, name, host.plain_line(name), key_files=(key,)))
    with refused(errors.AuthError, "refused the login of 'root'", "without its certificate"):
        connect(login(host, "signed", host.plain_line("signed"), key_files=(key,)))


def test_the_agent_has_the_key_whose_file_is_encrypted_and_many_others(host):
    key = host.new_key()
    with ssh_agent(host, *strangers(host, 8), key) as path:
        subprocess.run(
            ["ssh-keygen", "-q", "-p", "-P", "", "-N", "secret", "-f", str(key)],
            check=True,
            capture_output=True,
            timeout=30,
        )
        one = login(host, "plain", host.plain_line("plain"), agent_socket=path, use_agent=True)
        bare_connect(_with(one, key_files=(key,), identities_only=True))
        bare_connect(_with(one, key_files=(key,)))
        config = write_config(
            host, f"Host *\n  IdentityAgent {path}\n  IdentityFile {key}.pub\n  IdentitiesOnly yes\n  Port 2206\n"
        )
        found = from_inventory(host, config, f"address: {host.address}")
        bare_connect(_with(found, known_hosts_files=one.known_hosts_files))
        with refused(errors.AuthError, "refused the login of 'root'", "it hung up"):
            connect(_with(one, key_files=tuple(strangers(host, 1))))
        with refused(errors.AuthError, "is encrypted", "ssh-agent"):
            connect(_with(one, key_files=(key,), use_agent=False))
    with refused(errors.AuthError, "is encrypted", "ssh-agent"):  # the agent is gone
        connect(_with(one, key_files=(key,)))


def test_the_agents_other_keys_are_offered_unless_only_those_that_are_named_may_be(host):
    with ssh_agent(host, host.new_key()) as path:
        stranger = tuple(strangers(host, 1))
        one = login(host, "plain", host.plain_line("plain"), agent_socket=path, use_agent=True, key_files=stranger)
        bare_connect(one)
        with refused(errors.AuthError, "refused the login of 'root'"):
            connect(_with(one, identities_only=True))


def test_an_agent_that_never_answers_is_passed_over(host, monkeypatch):
    monkeypatch.setattr(identity, "AGENT_TIMEOUT_S", 0.5)
    path = str(host.directory / "silent-agent")
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(path)
        silent.listen()
        one = login(host, "plain", host.plain_line("plain"), agent_socket=path, use_agent=True)
        bare_connect(one)
        with refused(errors.AuthError, "no ssh-agent answers"):
            connect(_with(one, key_files=tuple(strangers(host, 1))))


def test_a_second_factor_and_a_host_that_takes_no_keys_are_told_and_nothing_is_asked_at_the_terminal(host):
    with refused(errors.AuthError, "wants more than a key: password"):
        connect(login(host, "second", host.plain_line("second")))
    with refused(errors.AuthError, "takes no keys, only: "):
        connect(login(host, "password", host.plain_line("password")))


def test_a_sudo_that_asks_in_its_own_way_is_not_answered(host):
    # some PAM modules put a question of their own in the place of sudo's
    script = '#!/bin/sh\\nprintf "Verification code: " >&2; head -n 1 > /tmp/answered; sleep 20'
    host.sh(f"printf '{script}' > /usr/local/bin/sudo; chmod 755 /usr/local/bin/sudo")
    try:
        one = login(host, "plain", host.plain_line("plain"), sudo_password=Secret(PASSWORD))
        expected = refused(errors.SudoError, "another way", "Verification code", "passprompt_override")
        with connect(_with(one, user="matrix")) as remote, remote.agent(start_s=1.5) as agent, expected:
            agent.call(OBSERVE)
        assert host.sh("cat /tmp/answered") == ""
    finally:
        host.sh("rm /usr/local/bin/sudo")


# -- hosts that stop


def test_a_host_that_falls_silent_at_any_moment_is_told_in_bounded_time(host, monkeypatch):
    for name in ("BANNER_TIMEOUT_S", "AUTH_TIMEOUT_S", "CHANNEL_TIMEOUT_S"):
        monkeypatch.setattr(ssh, name, 1.5)
    pin = host.public("plain")

    def silent_after(count):
        relay = Relay(host.address, VARIANTS["plain"][0], count)
        began = time.monotonic()
        try:
            one = login(host, "plain", host_key=pin, connect_timeout_s=1.5)
            with connect(_with(one, address="127.0.0.1", port=relay.port)) as remote, remote.agent() as agent:
                agent.call(OBSERVE, timeout_s=3)
        except errors.HostUntouched as error:
            return type(error).__name__, error.message
        else:
            return "passed", ""
        finally:
            assert time.monotonic() - began < 12
            relay.close()

    # before and in the banner, in the exchange of keys, in the login, when the agent starts, while it answers
    counts = [1, 20, 400, 1300, 1500, 1600, 1700, 1800, 2300, 2600, 3000]
    with ThreadPoolExecutor(len(counts)) as pool:
        found = dict(zip(counts, pool.map(silent_after, counts), strict=True))
    told = "\n".join(map(str, found.items()))
    assert all(kind == "ConnectError" for kind, _ in found.values()), told
    assert all(message and "No existing session" not in message for _, message in found.values()), told
    assert "did not answer the login in time" in told


def test_an_sshd_that_is_stopped_before_and_after_the_login(host):
    one = login(host, "plain", host.plain_line("plain"), connect_timeout_s=1.5)
    pid = host.sh("cat /run/ssh-matrix/plain.pid").strip()
    with connect(one) as remote, remote.agent() as agent:
        agent.call(OBSERVE)
        host.sh(f"kill -STOP {pid} $(pgrep -P {pid})")
        try:
            with refused(errors.ConnectError, "time for the request was up", within_s=6):
                agent.call(OBSERVE, timeout_s=1)
            with refused(errors.ConnectError, "said nothing", within_s=6):
                connect(one)
        finally:
            host.sh(f"kill -CONT {pid} $(pgrep -P {pid})")
    bare_connect(one)
