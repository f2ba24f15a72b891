"""The sandbox's one kind of error."""

from __future__ import annotations

from deployer.errors import HostUntouched


class SandboxError(HostUntouched):
    """A local VPS could not be made, reached or removed. Exit code 4: no real host was contacted."""

    host_state = "a local VPS only: no real host was contacted"
