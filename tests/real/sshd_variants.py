"""One local VPS with many sshds: each on a port of its own, with its own key, certificate and rules."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import subprocess
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

#: Name: port and what its sshd is told. Files are in DIRECTORY on the host.
DIRECTORY = "/run/ssh-matrix"
PASSWORD = "matrix passw0rd"
VARIANTS = {
    "ed25519": (2201, "-h ed25519 -o HostCertificate=ed25519-cert.pub"),
    "rsa": (2202, "-h rsa -o HostCertificate=rsa-cert.pub"),
    "ecdsa": (2203, "-h ecdsa -o HostCertificate=ecdsa-cert.pub"),
    "expired": (2204, "-h expired -o HostCertificate=expired-cert.pub"),
    "elsewhere": (2205, "-h elsewhere -o HostCertificate=elsewhere-cert.pub"),
    "plain": (2206, "-h plain"),
    "nobody": (2207, "-h nobody -o HostCertificate=nobody-cert.pub"),
    "second": (2208, "-h plain -o AuthenticationMethods=publickey,password"),
    "password": (2209, "-h plain -o PubkeyAuthentication=no"),
    "signed": (2211, "-h plain -o TrustedUserCAKeys=ca-ed25519.pub -o AuthorizedKeysFile=none"),
    "several": (2210, "-h ed25519 -h rsa -h ecdsa"),
}
_SETUP = """
set -e
rm -rf {directory}; mkdir -m 700 {directory}; cd {directory}
for kind in ed25519 rsa ecdsa; do
    bits=; test $kind != rsa || bits='-b 2048'
    ssh-keygen -q -t $kind $bits -N '' -f ca-$kind
    ssh-keygen -q -t $kind $bits -N '' -f $kind
    ssh-keygen -q -s ca-$kind -I matrix-$kind -h -n {address},matrix -V -1h:+1d $kind.pub
done
for name in expired elsewhere nobody plain; do ssh-keygen -q -t ed25519 -N '' -f $name; done
ssh-keygen -q -s ca-ed25519 -I expired -h -n {address} -V 20200101:20210101 expired.pub
ssh-keygen -q -s ca-ed25519 -I elsewhere -h -n other.example elsewhere.pub
ssh-keygen -q -s ca-ed25519 -I nobody -h nobody.pub
id matrix >/dev/null 2>&1 || useradd --create-home --shell /bin/bash matrix
install -d -m 700 -o matrix -g matrix ~matrix/.ssh
install -m 600 -o matrix -g matrix /root/.ssh/authorized_keys ~matrix/.ssh/authorized_keys
echo 'matrix:{password}' | chpasswd
echo 'matrix ALL=(ALL) ALL' > /etc/sudoers.d/matrix; chmod 440 /etc/sudoers.d/matrix
"""


class Variants:
    """The host, with every sshd running."""

    def __init__(self, vps, directory: Path) -> None:
        self.vps, self.directory, self.address = vps, directory, str(vps.address)
        self.key_file = Path(vps.key_file)
        self.sh = vps.sh
        start = [
            f"/usr/sbin/sshd -p {port} -o PidFile={DIRECTORY}/{name}.pid {options}"
            for name, (port, options) in VARIANTS.items()
        ]
        setup = _SETUP.format(directory=DIRECTORY, address=self.address, password=PASSWORD)
        # sshd wants whole paths
        whole = "\n".join(start).replace("-h ", f"-h {DIRECTORY}/").replace("Certificate=", f"Certificate={DIRECTORY}/")
        whole = whole.replace("Keys=ca", f"Keys={DIRECTORY}/ca")
        self.sh(setup + whole)
        text = self.sh(f"cd {DIRECTORY}; for file in *.pub; do echo $file $(cat $file); done")
        self._public = {line.split()[0][:-4]: " ".join(line.split()[1:3]) for line in text.splitlines()}

    def public(self, name: str) -> str:
        """Give a public key: a host's by its variant, an authority's as ``ca-ed25519``."""
        return self._public[name]

    def known(self, *lines: str) -> Path:
        """Write a known_hosts file."""
        file = self.directory / f"known-{time.monotonic_ns()}"
        file.write_text("".join(f"{line}\n" for line in lines))
        return file

    def at(self, name: str) -> str:
        """Give the name of a variant in known_hosts."""
        return f"[{self.address}]:{VARIANTS[name][0]}"

    def plain_line(self, name: str) -> str:
        """Give the line that trusts a variant's plain key."""
        key = name if name in self._public else "plain"
        return f"{self.at(name)} {self.public(key)}"

    def new_key(self, kind: str = "ed25519", passphrase: str = "", *more: str) -> Path:
        """Make a key that the host's users accept."""
        file = self.directory / f"key-{time.monotonic_ns()}"
        command = ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, *more, "-f", str(file)]
        subprocess.run(command, check=True, timeout=30)
        public = file.with_name(f"{file.name}.pub").read_text()
        self.sh(f"echo '{public.strip()}' | tee -a /root/.ssh/authorized_keys >> ~matrix/.ssh/authorized_keys")
        return file

    def stop(self) -> None:
        """End every sshd of ours."""
        self.sh(f"cat {DIRECTORY}/*.pid | xargs -r kill", check=False)


@contextmanager
def refused(kind, *words, within_s=8.0):
    began = time.monotonic()
    with pytest.raises(kind) as caught:
        yield
    assert type(caught.value) is kind
    for word in words:
        assert word in caught.value.diagnostics()
    assert time.monotonic() - began < within_s


@contextmanager
def ssh_agent(host, *keys):
    """Run an ssh-agent that holds keys, in this order."""
    path = str(host.directory / f"agent-{time.monotonic_ns()}")
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 5
        while not Path(path).exists() and time.monotonic() < until:
            time.sleep(0.02)
        for key in keys:
            asked = {**os.environ, "SSH_AUTH_SOCK": path, "SSH_ASKPASS": "/bin/cat", "DISPLAY": ""}
            subprocess.run(["ssh-add", "-q", str(key)], env=asked, check=True, stdin=subprocess.DEVNULL, timeout=10)
        yield path
    finally:
        agent.terminate()
        agent.wait(5)


def strangers(host, count):
    for number in range(count):
        file = host.directory / f"stranger-{time.monotonic_ns()}-{number}"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(file)], check=True, timeout=30)
        yield file


class Relay:
    """Leads to the host, and goes silent after so many bytes from it; the connection stays open."""

    def __init__(self, address, port, silent_after_bytes):
        self._to, self._left = (address, port), silent_after_bytes
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._ended = threading.Event()
        threading.Thread(target=self._lead, daemon=True).start()

    def _lead(self):
        with contextlib.suppress(OSError), self._server.accept()[0] as near, socket.create_connection(self._to) as far:
            while not self._ended.is_set():
                for ready in select.select([near, far], [], [], 0.1)[0]:
                    data = ready.recv(min(65536, self._left or 1) if ready is far else 65536)
                    if not data:
                        return
                    if ready is near:
                        far.sendall(data)
                        continue
                    near.sendall(data)
                    self._left -= len(data)
                    if self._left <= 0:
                        self._ended.wait(20)

    def close(self):
        self._ended.set()
        self._server.close()
