"""Host certificates: what ssh-keygen makes is read, and every way of not fitting is a fault."""

import base64
import subprocess
import time
from dataclasses import replace

import pytest

from deployer.transport import hostcerts
from deployer.transport.knownhosts import HostKey, Trust

NAME = "blog.example"


def keygen(*argv):
    subprocess.run(["ssh-keygen", "-q", *map(str, argv)], check=True, capture_output=True, timeout=30)


def public(file):
    kind, text = file.read_text().split()[:2]
    return HostKey(kind, base64.b64decode(text))


@pytest.fixture(scope="module", params=["ed25519", "rsa", "ecdsa"])
def made(request, tmp_path_factory):
    """An authority and a function that signs with it; keys of one kind."""
    folder = tmp_path_factory.mktemp(request.param)
    keygen("-t", request.param, "-N", "", "-f", folder / "ca")
    keygen("-t", request.param, "-N", "", "-f", folder / "host")

    def sign(*options):
        keygen("-s", folder / "ca", "-I", "an id", *options, folder / "host.pub")
        return public(folder / "host-cert.pub").blob

    return public(folder / "ca.pub"), sign


def fault(blob, *authorities, name=NAME, revoked=(), now_s=None):
    trust = Trust(authorities=authorities, revoked=revoked)
    return hostcerts.fault(hostcerts.parse(blob), trust, name, time.time() if now_s is None else now_s)


def test_what_ssh_keygen_signs_for_the_host_vouches_for_it(made):
    authority, sign = made
    blob = sign("-h", "-n", f"other.example,{NAME}")
    assert fault(blob, authority) == ""
    assert fault(blob, authority, name=NAME.upper()) == ""
    assert hostcerts.parse(blob).key_id == "an id"


def test_each_thing_that_does_not_fit_is_named(made):
    authority, sign = made
    good = sign("-h", "-n", NAME, "-V", "20300101:20310101")
    day_s = 86400
    assert "not the one in known_hosts" in fault(good, HostKey("ssh-ed25519", b"another"))
    assert "revoked" in fault(good, authority, revoked=(authority,))
    assert f"for {NAME}, not for [{NAME}]:2222" in fault(good, authority, name=f"[{NAME}]:2222")
    start_s, end_s = hostcerts.parse(good).valid_after_s, hostcerts.parse(good).valid_before_s
    assert "valid from 2030-01-01" in fault(good, authority, now_s=start_s - 1)
    assert fault(good, authority, now_s=start_s) == ""
    assert fault(good, authority, now_s=end_s - day_s) == ""
    assert "ended on 2031-01-01" in fault(good, authority, now_s=end_s)
    assert "for users" in fault(sign("-n", NAME), authority)
    assert "no name at all" in fault(sign("-h"), authority)
    assert "*.example" in fault(sign("-h", "-n", "*.example"), authority)
    odd = sign("-h", "-n", NAME, "-O", "critical:odd@example=1")
    assert "critical option" in fault(odd, authority)


def test_a_changed_byte_anywhere_before_the_signature_is_refused(made):
    authority, sign = made
    blob = sign("-h", "-n", NAME)
    signed = len(hostcerts.parse(blob).signed)
    assert fault(blob, authority) == ""
    for at in range(40, signed, 7):
        changed = bytearray(blob)
        changed[at] ^= 1
        try:
            found = fault(bytes(changed), authority)
        except hostcerts.BrokenCertificateError:
            continue
        assert found, f"byte {at} of {signed}"


def test_a_signature_of_another_key_or_none_is_refused(made):
    authority, sign = made
    certificate = hostcerts.parse(sign("-h", "-n", NAME))
    for signature in (b"", b"\0\0\0\x0bssh-ed25519\0\0\0\x40" + bytes(64), certificate.signature[:-1] + b"\0"):
        changed = replace(certificate, signature=signature)
        if signature != certificate.signature:
            assert "signature" in hostcerts.fault(changed, Trust(authorities=(authority,)), NAME, time.time())


def test_what_is_cut_off_or_no_certificate_is_an_error(made):
    authority, sign = made
    blob = sign("-h", "-n", NAME)
    for length in range(len(blob)):
        with pytest.raises(hostcerts.BrokenCertificateError):
            hostcerts.parse(blob[:length])
    for other in (blob + b"x", authority.blob, b"", b"\xff" * 100):
        with pytest.raises(hostcerts.BrokenCertificateError):
            hostcerts.parse(other)
