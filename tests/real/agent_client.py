"""Drives the packed agent over a plain ssh, without the project's own transport: what is tested is the host side."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import struct
import subprocess
import tarfile
import time
from collections.abc import Callable
from typing import Any

from deployer.packing import LOADER, agent_program

WORK = {"slice": "deployer-deploy.slice", "memory_max_mib": 256}


class Host:
    """A local VPS, reached as root."""

    def __init__(self, address: str, key_file: str) -> None:
        self.address = address
        self._ssh = ["ssh", "-i", key_file, "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
        self._ssh += ["-o", "LogLevel=ERROR", "-o", "BatchMode=yes", f"root@{address}"]
        self.agent: subprocess.Popen[bytes] | None = None

    def sh(self, script: str, *, ok: bool = True) -> str:
        done = subprocess.run([*self._ssh, script], capture_output=True, text=True, timeout=300, check=False)
        assert not ok or done.returncode == 0, f"{script}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout.strip()

    def start(self) -> subprocess.Popen[bytes]:
        self.agent = subprocess.Popen(
            [*self._ssh, f"python3 -I -S -c '{LOADER}'"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self.agent.stdin
        self.agent.stdin.write(agent_program().wire)
        return self.agent

    def request(
        self, document: dict[str, Any], blob: bytes = b"", on_event: Callable[[dict[str, Any]], object] = lambda _: None
    ) -> dict[str, Any]:
        """Send one request to a fresh agent and return its answer; a lost agent answers `{"lost": True}`."""
        agent = self.start()
        assert agent.stdin
        assert agent.stdout
        data = json.dumps(document).encode()
        agent.stdin.write(struct.pack(">II", len(data), len(blob)) + data + blob)
        agent.stdin.flush()
        assert agent.stdout.read(17) == b"DEPLOYER-AGENT 1\n", agent.stderr and agent.stderr.read()
        try:
            while True:
                head = agent.stdout.read(8)
                if len(head) < 8:
                    return {"lost": True, "stderr": agent.stderr.read().decode() if agent.stderr else ""}
                size, blob_size = struct.unpack(">II", head)
                answer = json.loads(agent.stdout.read(size))
                agent.stdout.read(blob_size)
                if "event" not in answer:
                    return dict(answer)
                on_event(answer)
        finally:
            for stream in (agent.stdin, agent.stdout):
                with contextlib.suppress(OSError):
                    stream.close()
            agent.wait(30)


class Plan:
    """A plan under construction: its document and the blobs that go with it."""

    def __init__(self, transaction: str, *, gate_s: float = 1.0, return_after_s: float = 60.0) -> None:
        self.transaction = transaction
        self.blobs: dict[str, bytes] = {}
        self.doc: dict[str, Any] = {
            "packages": [],
            "users": [],
            "directories": [],
            "secrets": [],
            "work": WORK,
            "releases": [],
            "files": [],
            "validators": [],
            "activations": [],
            "units": [],
            "probes": [],
            "gate_s": gate_s,
            "return_after_s": return_after_s,
        }

    def blob(self, data: bytes) -> str:
        name = f"blob{len(self.blobs)}"
        self.blobs[name] = data
        return name

    def file(
        self, host: Host, path: str, text: str, *, before: dict[str, Any] | None = None, mode: str = "0644"
    ) -> None:
        data = text.encode()
        after = {"kind": "file", "sha256": hashlib.sha256(data).hexdigest(), "mode": mode, "secret": False}
        after |= {"owner": "root", "group": "root", "blob": self.blob(data)}
        self.doc["files"].append({"path": path, "before": before or state_of(host, path), "after": after})

    def link(self, host: Host, path: str, target: str) -> None:
        after = {"kind": "link", "target": target}
        self.doc["files"].append({"path": path, "before": state_of(host, path), "after": after})

    def absent(self, host: Host, path: str) -> None:
        self.doc["files"].append({"path": path, "before": state_of(host, path), "after": {"kind": "absent"}})

    def unit(self, unit: str, action: str = "restart", *, enable: bool = True) -> None:
        self.doc["activations"].append({"kind": "unit", "unit": unit, "action": action, "enable": enable})
        hashes = {"restart_hash": self.transaction, "reload_hash": self.transaction}
        self.doc["units"].append({"unit": unit, "ready": [], **hashes})
        self.doc["probes"].append({"kind": "unit", "unit": unit})

    def http(self, port: int, path: str = "/", contains: str | None = None, **more: Any) -> None:
        probe = {"kind": "http", "address": "127.0.0.1", "port": port, "tls": False, "host": "localhost", "path": path}
        self.doc["probes"].append(probe | {"status": [200], "contains": contains} | more)

    def apply(self, host: Host, on_event: Callable[[dict[str, Any]], object] = lambda _: None) -> dict[str, Any]:
        request = {"op": "apply", "transaction": self.transaction, "who": "tester@here", "plan": self.doc}
        return host.request(request, tar_of(self.blobs), on_event)


def tar_of(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(data), int(time.time())
            tar.addfile(member, io.BytesIO(data))
    return out.getvalue()


def state_of(host: Host, path: str) -> dict[str, Any]:
    answer = host.request({"op": "observe", "files": [{"path": path, "kind": "file", "sha256": "", "secret": True}]})
    return dict(answer["ok"]["files"][path])
