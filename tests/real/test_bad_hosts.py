"""Bad input on a real host: a clear error, the promised exit code, and a host that nobody touched.

One host for all of it: what fails before anything changes leaves it clean for the next. Its sudo asks for a password,
and its disk is small, so that it can be filled.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from site_on_vps import Site, Visitors

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

PASSWORD = "a right passw0rd 'with\" $signs"
VARIABLE = "WEB1_SUDO_PASSWORD"
WITH_SUDO = {"ssh__sudo_password_env": VARIABLE}
DISK_MIB = 1500
#: Everything that a deploy could leave behind. sudo itself notes whom it lectured, systemd when its timers ran, and
#: apt that it was asked.
LOOK = """
find /etc /srv /opt /usr/local /root /home /var/lib /var/spool/cron -xdev \\
    \\( -path /var/lib/systemd -o -path /var/lib/sudo -o -path /var/lib/apt -o -path /var/lib/deployer \\) -prune -o \\
    -name .sudo_as_admin_successful -o -path '/var/lib/dpkg/lock*' -o \\
    -not -type d -printf '%p %s %C@ %M %u\\n' -o -type d -printf '%p %M %u\\n' | sort
systemctl list-units --plain --no-legend --type=service,socket --state=active,failed | awk '$1 !~ /user/ {print $1,$3}'
ss -Hltn | sort
"""


@pytest.fixture(scope="module")
def site(vps: Any, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A clean host; only the last tests deploy to it."""
    host = vps("bad", sudo_password=PASSWORD, small_disk_mib=DISK_MIB)
    host.sh(
        "useradd --create-home --shell /bin/bash nosudo; cp -a /home/deploy/.ssh /home/nosudo/; "
        "chown -R nosudo: /home/nosudo/.ssh"
    )
    return Site(host, tmp_path_factory.mktemp("site"), user="root")


@contextmanager
def untouched(site: Site) -> Iterator[None]:
    before = site.host.sh(LOOK)
    yield
    assert site.host.sh(LOOK) == before


def assert_told(done: subprocess.CompletedProcess[str], code: int, *words: str) -> str:
    """What, where, the host's state and the next step, with the code that the documentation promises."""
    text = done.stderr
    assert done.returncode == code, f"ended with {done.returncode}\n{done.stdout}\n{text}"
    assert "Traceback" not in text + done.stdout
    assert re.search(r"^error: \S", text, re.MULTILINE), text
    for line in ("where", "host", "next"):
        assert re.search(rf"^  {line}: +\S", text, re.MULTILINE), f"no line {line!r} in:\n{text}"
    state = {2: "not contacted", 4: "untouched", 8: "untouched"}[code]
    assert re.search(rf"^  host: +{state}", text, re.MULTILINE), text
    for word in words:
        assert word in text, f"no {word!r} in:\n{text}"
    assert PASSWORD not in text
    return text


def key_pair(folder: Path) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "key"], check=True)
    return folder / "key"


# -- before the host


def command(site: Site, *words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "deployer", *words]
    return subprocess.run(argv, cwd=site.folder, capture_output=True, text=True, timeout=60, check=False)


def test_an_unknown_name_ends_with_2_and_the_nearest(site: Site) -> None:
    site.write()
    for task in ("deploy", "budget"):
        done = command(site, task, "--host", "wbe1", "--inventory", "hosts.yml")
        assert_told(done, 2, "no host 'wbe1'", "did you mean web1?", "--host wbe1")


def test_a_wrong_inventory_ends_with_2_and_every_line(site: Site) -> None:
    site.write(hardware__memory_mb=1024, ssh__port="ssh")
    text = (site.folder / "hosts.yml").read_text().splitlines()
    lines = [next(number for number, line in enumerate(text, 1) if word in line) for word in ("memory_mb:", "port:")]
    told = assert_told(site.run("deploy"), 2, "did you mean `memory_mib`?")
    for number, path in zip(lines, ("hosts.web1.hardware.memory_mb", "hosts.web1.ssh.port"), strict=True):
        assert re.search(rf"hosts\.yml:{number}\b.*{re.escape(path)}", told), told


def test_an_inventory_that_is_not_there_or_no_yaml_ends_with_2(site: Site, tmp_path: Path) -> None:
    assert_told(command(site, "deploy", "--host", "web1", "--inventory", str(tmp_path / "none.yml")), 2, "none.yml")
    (tmp_path / "bad.yml").write_text("hosts:\n  web1: {hardware: [\n")
    assert_told(command(site, "deploy", "--host", "web1", "--inventory", str(tmp_path / "bad.yml")), 2, "bad.yml:")


def test_a_source_that_is_not_there_ends_with_2(site: Site) -> None:
    site.write(apps__blog__source="blogg")
    assert_told(site.run("deploy"), 2, "blogg", "is not a folder")


# -- reaching it


def test_an_address_where_nobody_is_ends_with_4(site: Site) -> None:
    site.write(ssh__address=site.host.address.rpartition(".")[0] + ".253")
    assert_told(site.run("deploy"), 4, "root@10.213.77.253")


def test_a_closed_port_ends_with_4(site: Site) -> None:
    site.write(ssh__port=4, ssh__accept_new=True)
    assert_told(site.run("deploy"), 4, "refused", ":4")


def test_a_name_that_is_none_ends_with_4(site: Site) -> None:
    site.write(ssh__address="no-such-host.invalid")
    assert_told(site.run("deploy"), 4, "cannot be resolved")


def test_an_unknown_host_key_ends_with_8(site: Site, tmp_path: Path) -> None:
    site.write(ssh__known_hosts_file=str(tmp_path / "none"))
    with untouched(site):
        told = assert_told(site.run("deploy"), 8, "not known", "SHA256:", "pin it")
    # what it says to pin is the host's key
    pin = re.search(r"'(ssh-ed25519 \S+)'", told)[1]
    assert pin in site.host.sh("cat /etc/ssh/ssh_host_ed25519_key.pub")
    assert not (tmp_path / "none").exists()


def test_a_changed_host_key_ends_with_8(site: Site, tmp_path: Path) -> None:
    other = key_pair(tmp_path).with_suffix(".pub").read_text()
    (tmp_path / "known").write_text(f"{site.host.address} {other}")
    site.write(ssh__known_hosts_file=str(tmp_path / "known"), ssh__accept_new=True)
    with untouched(site):
        assert_told(site.run("deploy"), 8, "CHANGED", str(tmp_path / "known"))


@pytest.mark.parametrize("what", ["user", "key", "no key"])
def test_a_refused_login_ends_with_4(site: Site, what: str, tmp_path: Path) -> None:
    change: dict[str, Any] = {
        "user": {"ssh__user": "nobody-here"},
        "key": {"ssh__key_file": str(key_pair(tmp_path))},
        "no key": {"ssh__key_file": str(tmp_path / "none")},
    }[what]
    site.write(**change)
    with untouched(site):
        assert_told(site.run("deploy"), 4, *(str(value) for value in change.values()))


# -- becoming root


def test_an_unset_variable_for_the_sudo_password_ends_with_2(site: Site) -> None:
    site.write(ssh__user="deploy", **WITH_SUDO)
    assert_told(site.run("deploy"), 2, VARIABLE, "is not set", f"export {VARIABLE}")


def test_a_wrong_sudo_password_ends_with_4(site: Site) -> None:
    site.write(ssh__user="deploy", **WITH_SUDO)
    with untouched(site):
        told = assert_told(site.run("deploy", **{VARIABLE: "wr0ng"}), 4, "sudo refused the password")
    assert "wr0ng" not in told


def test_no_sudo_password_for_a_sudo_that_asks_ends_with_4(site: Site) -> None:
    site.write(ssh__user="deploy")
    with untouched(site):
        assert_told(site.run("deploy"), 4, "asks for a password", "sudo_password_env")


def test_a_user_without_sudo_rights_ends_with_4(site: Site) -> None:
    site.host.sh(f"chpasswd <<'END'\nnosudo:{PASSWORD}\nEND")
    site.write(ssh__user="nosudo", **WITH_SUDO)
    with untouched(site):
        assert_told(site.run("deploy", **{VARIABLE: PASSWORD}), 4, "may not use sudo")


def test_the_right_sudo_password_plans_and_is_seen_nowhere(site: Site) -> None:
    site.write(ssh__user="deploy", **WITH_SUDO)
    with untouched(site):
        done = site.run("plan", "--detailed-exitcode", **{VARIABLE: PASSWORD})
    assert done.returncode == 10, done.stderr
    assert "install  nginx" in done.stdout
    assert PASSWORD not in done.stdout + done.stderr + site.host.sh("journalctl -b --no-pager")


# -- what is on it


def test_a_host_without_python_ends_with_4(site: Site) -> None:
    site.write()
    site.host.sh("mv /usr/bin/python3 /usr/bin/python3.away")
    try:
        with untouched(site):
            assert_told(site.run("deploy"), 4, "no python3", "apt-get install --yes python3-minimal")
    finally:
        site.host.sh("mv /usr/bin/python3.away /usr/bin/python3")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"hardware__memory_mib": 2048}, ("has 1024 MiB", "2048 are declared", "memory_mib: 1024")),
        ({"hardware__cpu_cores": 4}, ("4 are declared", "cpu_cores: ")),
        ({"apps__blog__tls__certificate_file": "/etc/ssl/none.pem"}, ("certificate of app blog", "/etc/ssl/none.pem")),
    ],
)
def test_a_host_that_is_not_as_declared_ends_with_4(site: Site, change: dict[str, Any], words: tuple[str, ...]) -> None:
    site.write(**change)
    with untouched(site):
        assert_told(site.run("deploy"), 4, *words)


def test_a_full_disk_before_a_first_deploy_ends_with_4(site: Site) -> None:
    site.write()
    with untouched(site), filled(site, 0):
        assert_told(site.run("deploy"), 4, "disk free", "make room")


@contextmanager
def filled(site: Site, left_mib: int) -> Iterator[None]:
    """Fill the host's disk; a file larger than what is free takes all that there is."""
    site.host.sh(
        f"free=$(($(stat -f -c '%a * %S / 1048576' /))); fallocate -l $((free - {left_mib}))M /var/fill; "
        + ("cat /dev/zero > /var/fill2 2>/dev/null; true" if left_mib == 0 else "")
    )
    try:
        yield
    finally:
        site.host.sh("rm -f /var/fill /var/fill2")


SOURCES = {
    "unreachable": (
        "echo 'Acquire::http::Proxy \"http://127.0.0.1:9\"; Acquire::Retries 0;' > /etc/apt/apt.conf.d/99away",
        "rm /etc/apt/apt.conf.d/99away",
        ("Could not connect to 127.0.0.1:9", "more", "has to reach its package sources"),
    ),
    "none": (
        "mv /etc/apt/sources.list.d /etc/apt/away",
        "mv /etc/apt/away /etc/apt/sources.list.d",
        ("the host's package sources have no", "add the package source"),
    ),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_package_sources_that_fail_end_with_4(site: Site, kind: str) -> None:
    spoil, mend, words = SOURCES[kind]
    site.write()
    site.host.sh(spoil)
    try:
        with untouched(site):
            assert_told(site.run("deploy"), 4, "step packages", *words)
    finally:
        site.host.sh(mend)
    assert site.host.sh("dpkg -l nginx mariadb-server 2>/dev/null | grep -c ^ii; true").strip() == "0"


# -- a host that serves already


@pytest.fixture(scope="module")
def live(vps: Any, deployed: str, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The blog on a small disk."""
    found = Site(vps("live", snapshot=deployed, small_disk_mib=DISK_MIB), tmp_path_factory.mktemp("live"))
    found.write()
    return found


@pytest.mark.slow
def test_root_plans_and_deploys_and_the_user_with_sudo_finds_it_done(live: Site) -> None:
    live.changes = {"apps__blog__cache_s": 7}
    live.write(ssh__user="root")
    assert live.run("plan", "--detailed-exitcode").returncode == 10
    assert "live" in live.deploy().stdout
    assert live.get("/")[0].status == 200
    live.write(ssh__user="deploy")
    assert "no change" in live.deploy().stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("left_mib", "what", "step"),
    [(0, "a setting", ""), (0, "a big file", "receive"), (40, "an environment", "releases")],
)
def test_a_disk_that_is_full_at_a_later_deploy_ends_with_4_and_the_site_goes_on(
    live: Site, left_mib: int, what: str, step: str
) -> None:
    new_file, requirements = live.source / "blog/static/new.bin", live.source / "requirements.lock"
    good = requirements.read_text()
    live.write(**{"apps__blog__cache_s": 9} if what == "a setting" else {})
    look = "find /etc /srv -not -type d -printf '%p %s %M\n' | sort; systemctl show -p MainPID nginx mariadb app-blog"
    before = live.host.sh(look)
    if what == "a big file":
        new_file.write_bytes(bytes(range(256)) * 8192)
    if what == "an environment":
        requirements.write_text(f"{good}# another one\n")
    try:
        with Visitors(live) as visitors, filled(live, left_mib):
            assert_told(live.run("deploy", "--no-verify"), 4, "host's disk is full", f"step {step}", "make room")
        visitors.assert_never_failed()
    finally:
        new_file.unlink(missing_ok=True)
        requirements.write_text(good)
    assert live.host.sh(look) == before
    live.write()
    assert "no change" in live.deploy().stdout
