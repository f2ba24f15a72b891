"""From the inventory to a login: what the inventory says wins, ssh_config gives the rest."""

import getpass
import os
from pathlib import Path

import pytest

from deployer.access import HOPS_MAX, login_of
from deployer.errors import UsageError
from deployer.inventory import load_inventory

INVENTORY = """\
hosts:
  web1:
    hardware: {{cpu_cores: 1, memory_mib: 1024, disk_gib: 16}}
    ssh: {{{ssh}}}
"""
CONFIG = """
Host web1
  HostName 192.0.2.7
  Port 2222
  User deploy
  IdentityFile {here}/here
  IdentityFile {here}/missing
  IdentityFile {here}/in-agent
  UserKnownHostsFile {here}/known
  GlobalKnownHostsFile none
  HostKeyAlias the-web
  IdentityAgent {here}/agent
  IdentitiesOnly yes
"""


@pytest.fixture
def login(tmp_path):
    for name in ("here", "in-agent.pub", "mine"):
        (tmp_path / name).touch()

    def made(ssh="address: web1", config=CONFIG):
        (tmp_path / "config").write_text(config.format(here=tmp_path))
        file = tmp_path / "hosts.yml"
        file.write_text(INVENTORY.format(ssh=f"{ssh}, config: config" if "config:" not in ssh else ssh))
        return login_of(load_inventory([file]).entry("web1"), {})

    return made


def test_an_alias_is_reached_as_ssh_reaches_it(login, tmp_path):
    found = login()
    assert found.place == "deploy@[192.0.2.7]:2222"
    assert found.key_files == (tmp_path / "here", tmp_path / "in-agent")
    assert found.known_hosts_files == (tmp_path / "known",)
    assert (found.key_name, found.certified_name) == ("the-web", "the-web")
    assert (found.use_agent, found.agent_socket, found.identities_only) == (True, str(tmp_path / "agent"), True)
    assert not found.accept_new


def test_what_the_inventory_says_wins_value_by_value(login, tmp_path):
    found = login("address: web1, port: 22, user: root, key_file: mine, known_hosts_file: own, use_agent: false")
    assert found.place == "root@192.0.2.7"
    assert (found.key_files, found.known_hosts_files) == ((tmp_path / "mine",), (tmp_path / "own",))
    assert not found.use_agent
    assert not login(config="IdentityAgent none\n").use_agent
    assert login("address: web1, use_agent: true", config="IdentityAgent none\n").use_agent


def test_without_ssh_config_only_the_inventory_counts(login):
    found = login("address: web1, config: none")
    assert (found.place, found.key_files, found.known_hosts_files, found.use_agent) == ("root@web1", (), None, True)


def test_nobody_named_is_root_for_the_host_and_who_runs_it_for_a_jump_host(login):
    found = login(config="Host web1\n  ProxyJump gate\n")
    assert found.user == "root"
    assert found.jump.user == (getpass.getuser() if os.getuid() else "root")


def test_strictness_is_for_the_inventory_alone_to_lower(login):
    for word in ("no", "off", "accept-new", "ask", "yes"):
        assert not login(config=f"StrictHostKeyChecking {word}\n").accept_new
        assert login("address: web1, accept_new: true", config=f"StrictHostKeyChecking {word}\n").accept_new


def test_a_chain_of_jumps_is_resolved_hop_by_hop(login):
    found = login(
        config="""
Host web1
  ProxyJump a,admin@b:2202
Host a
  HostName 192.0.2.10
  ProxyJump outer
Host b
  HostName 192.0.2.11
  User other
  Port 9
  ProxyJump never
Host *
  User me
"""
    )
    chain = []
    while found is not None:
        chain.append(found.place)
        found = found.jump
    assert chain == ["me@web1", "admin@[192.0.2.11]:2202", "me@192.0.2.10", "me@outer"]


@pytest.mark.parametrize("other_way", ["ProxyJump wrong", "ProxyCommand wrong"])
def test_the_inventorys_jump_host_wins_and_is_itself_looked_up(login, tmp_path, other_way):
    pin = "SHA256:" + "A" * 43
    config = CONFIG + f"  {other_way}\nHost gate\n  HostName 192.0.2.9\n  Port 2200\n  ProxyCommand nc %h %p\n"
    found = login(f"address: web1, jump: {{address: gate, user: in, key_file: mine, host_key: '{pin}'}}", config=config)
    gate = found.jump
    assert (gate.place, gate.key_files, gate.host_key) == ("in@[192.0.2.9]:2200", (tmp_path / "mine",), pin)
    assert (found.proxy_command, gate.proxy_command, gate.jump) == (None, "nc 192.0.2.9 2200", None)


def test_a_circle_of_jumps_is_an_error(login):
    with pytest.raises(UsageError, match=f"over {HOPS_MAX}"):
        login(config="Host web1 b\n  ProxyJump a\nHost a\n  ProxyJump b\n")
    with pytest.raises(UsageError, match="loop via gate"):  # which ssh sees by itself
        login(config="Host *\n  ProxyJump gate\n")


def test_the_file_is_relative_to_the_inventory_and_an_alias_may_have_an_underscore(login, tmp_path, monkeypatch):
    monkeypatch.chdir(Path("/"))
    assert login("address: web_1", config="Host web_1\n  HostName 192.0.2.8\n").place == "root@192.0.2.8"
