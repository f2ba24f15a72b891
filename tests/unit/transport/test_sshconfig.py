"""ssh_config as ssh itself reads it, and what of it is taken over."""

import getpass
import os
import pwd
from pathlib import Path

import pytest

from deployer.errors import UsageError
from deployer.transport import sshconfig
from deployer.transport.sshconfig import Hop

HOME = Path(pwd.getpwuid(os.getuid()).pw_dir)


@pytest.fixture
def read(tmp_path):
    def from_text(text, address="web1", **more):
        file = tmp_path / "config"
        file.write_text(text)
        return sshconfig.read(Hop(address, **more), file)

    return from_text


def test_a_host_of_which_nothing_is_said_is_as_it_was_asked_for(read):
    assert read("", "192.0.2.1") == sshconfig.Reading(address="192.0.2.1")
    assert read("Host other\n  Port 9\n", "2001:db8::1") == sshconfig.Reading(address="2001:db8::1")


def test_the_words_of_a_host_are_taken_over(read, tmp_path):
    found = read(f"""
Host web1
  HostName 192.0.2.7
  Port 2222
  User deploy
  IdentityFile ~/.ssh/%h-%r
  IdentityFile "{tmp_path}/with space"
  IdentitiesOnly yes
  IdentityAgent ~/agent-%n
  UserKnownHostsFile {tmp_path}/%h "{tmp_path}/known hosts"
  GlobalKnownHostsFile none
  HostKeyAlias the-web
  ConnectTimeout 7
""")
    assert found == sshconfig.Reading(
        address="192.0.2.7",
        port=2222,
        user="deploy",
        key_files=(HOME / ".ssh/192.0.2.7-deploy", tmp_path / "with space"),
        identities_only=True,
        agent=str(HOME / "agent-web1"),
        known_hosts_files=(tmp_path / "192.0.2.7", tmp_path / "known hosts"),
        key_alias="the-web",
        connect_timeout_s=7.0,
    )


def test_files_are_included_by_pattern_and_in_depth_and_matches_are_judged(read, tmp_path):
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d/1.conf").write_text(f"Include {tmp_path}/deep\n")
    (tmp_path / "conf.d/2.conf").write_text("Host web?\n  Port 4444\n  User late\n")
    (tmp_path / "deep").write_text("Host web1\n  Port 3333\n")
    text = f"""
Include {tmp_path}/conf.d/*.conf
Match originalhost web1 host 192.0.2.7
  User never
Match originalhost web1
  HostName 192.0.2.7
Match host 192.0.2.7
  IdentitiesOnly yes
"""
    found = read(text)
    assert (found.address, found.port, found.user, found.identities_only) == ("192.0.2.7", 3333, "late", True)
    assert (read(text, "web2").port, read(text, "web2").address) == (4444, "web2")


def test_what_is_said_elsewhere_wins_and_is_known_to_matches(read):
    text = "Match user admin\n  Port 2222\nHost *\n  User deploy\n"
    assert read(text).user == "deploy"
    assert (read(text, user="admin").user, read(text, user="admin").port) == ("admin", 2222)
    assert read(text, user="admin", port=9).port == 9


def test_nobody_named_is_told_from_the_login_name_of_who_runs_it(read):
    mine = getpass.getuser() if os.getuid() else "root"
    assert read("").user is None
    assert read("Host other\n  User someone\n").user is None
    assert read(f"Host web1\n  User {mine}\n").user == mine
    assert read(f"Host web1\n  Port 5\nMatch all\n  User {mine}\n").user == mine


def test_a_jump_is_a_chain(read):
    text = "Host web1\n  ProxyJump a@j1:2201,[2001:db8::1]:22,ssh://b@j3:2203,u@[::1],j5\n"
    assert read(text).jumps == (
        Hop("j1", 2201, "a"),
        Hop("2001:db8::1", 22),
        Hop("j3", 2203, "b"),
        Hop("::1", None, "u"),
        Hop("j5"),
    )
    assert read("Host web1\n  ProxyJump none\nHost *\n  ProxyJump gate\n").jumps == ()


def test_a_proxy_command_has_its_tokens_filled_in(read):
    text = "Host *\n  ProxyCommand nc -x %r@%n/100%% %h %p\n  HostName 192.0.2.7\n  User me\n  Port 9\n"
    assert read(text).proxy_command == "nc -x me@web1/100% 192.0.2.7 9"
    assert read("Host *\n  ProxyCommand none\n").proxy_command is None


def test_no_agent_and_the_agent_of_a_variable(read, monkeypatch):
    monkeypatch.setenv("SSH_AUTH_SOCK", "/run/usual")
    monkeypatch.setenv("OTHER_SOCK", "/run/other")
    assert read("IdentityAgent none").agent == "none"
    assert read("IdentityAgent SSH_AUTH_SOCK").agent == "/run/usual"
    assert read("IdentityAgent $OTHER_SOCK").agent == "/run/other"
    assert read("").agent == ""


def test_no_known_hosts_file_is_none_at_all(read):
    text = "UserKnownHostsFile none\nGlobalKnownHostsFile none\n"
    assert read(text).known_hosts_files == ()
    one = read("UserKnownHostsFile /a/b").known_hosts_files
    assert one == tuple(map(Path, ("/a/b", "/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Bogus yes\n", "line 1: Bad configuration option: bogus"),
        ("Host web1\n  IdentityFile ~/%C\n", "%C"),
        ("RevokedHostKeys /etc/ssh/revoked\n", "@revoked"),
        ("Port 99999\n", "cannot be used"),
    ],
)
def test_what_cannot_be_used_is_told_with_the_way_out(read, text, words):
    with pytest.raises(UsageError) as caught:
        read(text)
    assert words in caught.value.diagnostics()
    assert "inventory" in caught.value.next_step
    assert caught.value.exit_code == 2


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(UsageError, match="No such file"):
        sshconfig.read(Hop("web1"), tmp_path / "none")


def test_reading_takes_no_longer_than_its_bound(read, monkeypatch):
    monkeypatch.setattr(sshconfig, "READING_TIMEOUT_S", 0.3)
    with pytest.raises(UsageError, match="not read within"):
        read('Match exec "sleep 5"\n  Port 5\n')


def test_a_machine_without_ssh_is_told(read, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError) as caught:
        read("")
    assert "ssh.config: none" in caught.value.next_step
    monkeypatch.setattr(sshconfig, "_usual_files", lambda: (tmp_path / "config",))
    with pytest.raises(UsageError, match="no program"):
        sshconfig.read(Hop("web1"))
    (tmp_path / "config").unlink()
    assert sshconfig.read(Hop("web1", 5, "me")) == sshconfig.Reading(address="web1", port=5, user="me")
