"""Whatever breaks, and wherever: the host is old or new, what is said of it is true, and the next deploy succeeds.

`make test` runs some of the cases, on a container; `make test-full` all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fault_cases import BOUNDED, FAULTS, KINDS, ONLY_AT, OWN_KERNEL, PLACES, WAY_BACK, Case, cases, cells
from sweep import Sweep
from swept_host import SweptHost

from deployer.agent.progress import STEPS

DISK_MIB = 400


def params() -> list[Any]:
    return [param(case) for case in sorted(cases(own_kernel=False), key=lambda case: case.kind)]


def param(case: Case) -> Any:
    marks = [pytest.mark.fault(case.fault), *([] if case.is_bounded else [pytest.mark.slow])]
    return pytest.param(case, id=str(case), marks=marks)


@pytest.fixture(scope="module")
def container(vps: Any, with_servers: str, tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    host = vps("sweep", snapshot=with_servers, small_disk_mib=DISK_MIB)
    return Sweep(SweptHost(host, tmp_path_factory.mktemp("ssh")))


@pytest.mark.real
@pytest.mark.timeout(120)
@pytest.mark.parametrize("case", params())
def test_a_fault_leaves_the_host_old_or_new(
    container: Sweep, case: Case, record_property: Callable[[str, object], None]
) -> None:
    record_property("host_is", container.run(case))


def test_every_step_has_a_cell_for_every_fault() -> None:
    table = {(cell.kind, cell.fault, cell.step) for cell in cells()}
    assert table == {(kind, fault, step) for kind in KINDS for fault in FAULTS for step in PLACES}
    assert set(PLACES) == {*STEPS, WAY_BACK}
    assert all(step in STEPS for step, _ in ONLY_AT.values())


def test_make_test_has_a_case_for_every_step_and_every_fault_of_a_container() -> None:
    on_a_container = {(case.kind, case.fault, case.step) for case in cases(own_kernel=False)}
    assert on_a_container >= BOUNDED
    assert {step for _, _, step in BOUNDED} == set(PLACES)
    assert {fault for _, fault, _ in BOUNDED} == set(FAULTS) - OWN_KERNEL
    assert {kind for kind, _, _ in BOUNDED} == set(KINDS)
