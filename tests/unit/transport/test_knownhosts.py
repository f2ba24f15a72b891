"""Known hosts: every usable line counts, a broken one spoils nothing, and the port is part of the name."""

import base64
import hashlib
import hmac
import os
import stat

import pytest

from deployer.errors import HostKeyError
from deployer.transport import knownhosts


def key(fill, kind="ssh-ed25519"):
    blob = len(kind).to_bytes(4, "big") + kind.encode() + b"\0\0\0\x20" + bytes([fill]) * 32
    return knownhosts.HostKey(kind, blob)


A, B, RSA = key(1), key(2), key(3, "ssh-rsa")


def hashed(name, salt=b"s" * 20):
    digest = hmac.new(salt, name.encode(), hashlib.sha1).digest()
    return "|1|" + base64.b64encode(salt).decode() + "|" + base64.b64encode(digest).decode()


@pytest.fixture
def file(tmp_path):
    def write(*lines):
        path = tmp_path / "known_hosts"
        path.write_text("\n".join(lines) + "\n")
        return path

    return write


def load(path, name="blog.example"):
    return knownhosts.load([path], name)


@pytest.mark.parametrize(
    ("hosts", "name"),
    [
        ("blog.example", "blog.example"),
        ("BLOG.example", "Blog.Example"),
        ("other,blog.example,192.0.2.1", "192.0.2.1"),
        ("[blog.example]:2222", "[blog.example]:2222"),
        (hashed("blog.example"), "blog.example"),
        (hashed("[blog.example]:2222"), "[blog.example]:2222"),
        ("*.example", "blog.example"),
        ("192.0.2.?", "192.0.2.7"),
        ("2001:db8::1", "2001:db8::1"),
    ],
)
def test_a_line_names_its_host(file, hosts, name):
    assert load(file(f"{hosts} {A.text} a comment"), name).holds(A)


@pytest.mark.parametrize(
    ("hosts", "name"),
    [
        ("blog.example", "log.example"),
        ("blog.example", "[blog.example]:2222"),
        ("[blog.example]:2222", "blog.example"),
        ("[blog.example]:2222", "[blog.example]:22"),
        (hashed("blog.example"), "other.example"),
        ("*.example,!blog.example", "blog.example"),
        ("blog[.]example", "blog.example"),
    ],
)
def test_a_line_names_no_other_host(file, hosts, name):
    assert load(file(f"{hosts} {A.text}"), name).empty


def test_bad_lines_are_skipped_and_told_and_the_good_one_counts(file):
    path = file(
        "# a comment",
        "",
        f"@cert-authority *.example {B.text}",
        "blog.example ssh-ed25519 AAAA!broken!",
        "blog.example ssh-ed25519",
        f"blog.example ssh-rsa {A.text.split()[1]}",
        "|1|broken " + A.text,
        f"@strange blog.example {B.text}",
        f"blog.example {A.text}",
    )
    trust = load(path)
    assert [found.blob for found in trust.keys] == [A.blob]
    assert trust.keys[0].source == f"{path}:9"
    assert [line.split(":")[1] for line in trust.skipped] == ["4", "5", "6", "7", "8"]
    assert [found.source for found in trust.authorities] == [f"{path}:3"]


def test_bytes_that_are_no_text_spoil_nothing(tmp_path):
    path = tmp_path / "known_hosts"
    path.write_bytes(b"\xff\xfe\0 junk\n" + f"blog.example {A.text}\n".encode())
    assert load(path).holds(A)


def test_any_of_several_keys_will_do_and_their_kinds_are_asked_for_in_order(file):
    trust = load(file(f"blog.example {RSA.text}", f"blog.example {A.text}", f"blog.example {B.text}"))
    assert trust.holds(A)
    assert trust.holds(B)
    assert trust.holds(RSA)
    assert trust.kinds == ("ssh-rsa", "ssh-ed25519")


def test_a_revoked_key_is_never_trusted(file):
    trust = load(file(f"@revoked * {A.text}", f"blog.example {A.text}"))
    assert not trust.holds(A)
    assert not trust.empty


def test_a_pin_is_a_key_or_a_fingerprint():
    for pin in (A.text, A.text + " root@blog", A.fingerprint, A.fingerprint + "="):
        assert knownhosts.pinned(pin).holds(A)
        assert not knownhosts.pinned(pin).holds(B)
        assert not knownhosts.pinned(pin).empty


@pytest.mark.parametrize("pin", ["", "ssh-ed25519", "ssh-ed25519 AAAA", "MD5:aa:bb", A.text.replace("ed25519", "rsa")])
def test_a_broken_pin_is_an_error_and_trusts_nothing(pin):
    with pytest.raises(HostKeyError, match="pinned"):
        knownhosts.pinned(pin)


def test_a_fingerprint_is_what_openssh_shows():
    # ssh-keygen -lf on this very key
    text = "AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
    assert knownhosts.fingerprint(base64.b64decode(text)) == "SHA256:ZkAslGjFiUHdGf/WUL8rQvkib4PTvQatUV0OUQSncCA"


def test_a_new_key_is_written_on_a_line_of_its_own(tmp_path):
    path = tmp_path / "new" / "known_hosts"
    knownhosts.write_down(path, "blog.example", A)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with path.open("a") as handle:
        handle.write("# no newline at the end")
    knownhosts.write_down(path, "[blog.example]:2222", B)
    assert load(path).holds(A)
    assert load(path, "[blog.example]:2222").holds(B)
    assert not load(path).holds(B)


def test_a_file_that_is_missing_is_empty_and_one_that_cannot_be_read_is_an_error(tmp_path):
    assert load(tmp_path / "none").empty
    os.mkfifo(tmp_path / "pipe")
    assert load(tmp_path / "pipe").empty  # nobody writes to it
    with pytest.raises(HostKeyError, match="cannot read"):
        load(tmp_path)
    with pytest.raises(HostKeyError, match="cannot be written"):
        knownhosts.write_down(tmp_path, "h", A)


def test_the_default_files_are_the_users_and_the_systems(monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    files = [os.fspath(path) for path in knownhosts.default_files()]
    assert files[0] == "/home/somebody/.ssh/known_hosts"
    assert "/etc/ssh/ssh_known_hosts" in files
