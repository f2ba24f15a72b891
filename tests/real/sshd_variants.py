"""One local VPS with many sshds: each on a port of its own, with its own key, certificate and rules."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

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
