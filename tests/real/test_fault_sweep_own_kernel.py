"""The fault sweep where a kernel of the host's own is needed: power cuts, and clocks that jump."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fault_cases import Case, cases
from sweep import Sweep
from swept_host import SweptHost

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def own(own_kernel: Callable[..., Any], with_servers: str, tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    machine = own_kernel("sweep", snapshot=with_servers)
    host = SweptHost(machine.host, tmp_path_factory.mktemp("ssh"))

    def power_cut() -> None:
        machine.power_cut()
        host.hang_up()
        machine.boot()

    return Sweep(host, power_cut)


def param(case: Case) -> Any:
    return pytest.param(case, id=str(case), marks=[pytest.mark.fault(case.fault)])


@pytest.mark.parametrize("case", [param(case) for case in cases(own_kernel=True)])
def test_a_fault_leaves_the_host_old_or_new(
    own: Sweep, case: Case, record_property: Callable[[str, object], None]
) -> None:
    record_property("host_is", own.run(case))
