"""Swap units whose own file has gone: found by what is swapped to, turned off before systemd is asked."""

import pytest

from deployer.agent import command, places, swaps, systemctl
from deployer.agent.refusal import Refusal

FILE = "/var/lib/deployer-swap/swapfile"
UNIT = r"var-lib-deployer\x2dswap-swapfile.swap"
HEAD = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A host that swaps to our file and to a user's partition; what is run on it is noted."""
    monkeypatch.setattr(places, "ROOT", str(tmp_path))
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/swaps").write_text(f"{HEAD}{FILE} file 524284 0 -2\n/dev/vdb2 partition 1048572 0 -3\n")
    (tmp_path / FILE[1:]).parent.mkdir(parents=True)
    (tmp_path / FILE[1:]).touch()
    ran = []
    monkeypatch.setattr(systemctl, "order", lambda *words, **_more: ran.append(words))
    monkeypatch.setattr(
        command, "run", lambda argv, **_more: ran.append(argv) or command.Result(0, "", timed_out=False)
    )
    return tmp_path, ran


@pytest.mark.parametrize(
    ("path", "unit"),
    [
        (FILE, UNIT),
        ("/dev/zram0", "dev-zram0.swap"),
        ("/swap file", r"swap\x20file.swap"),
        ("/s:w_a.p", "s:w_a.p.swap"),
    ],
)
def test_a_unit_is_called_as_systemd_calls_it(path, unit):
    assert swaps.unit_of(path) == unit


def test_our_swap_file_is_turned_off_and_removed_before_its_unit_is_stopped(host):
    folder, ran = host
    swaps.stop(UNIT)
    assert ran == [["swapoff", FILE], ("stop", UNIT)]
    assert not (folder / FILE[1:]).exists()


def test_another_unit_leaves_all_swap_alone(host):
    folder, ran = host
    swaps.stop("nginx.service")
    swaps.stop("dev-zram0.swap")
    assert ran == [("stop", "nginx.service"), ("stop", "dev-zram0.swap")]
    assert (folder / FILE[1:]).exists()


def test_a_memory_without_room_for_what_was_swapped_out_keeps_the_file(host, monkeypatch):
    folder, _ = host
    monkeypatch.setattr(command, "run", lambda *_args, **_more: command.Result(1, "no memory", timed_out=False))
    with pytest.raises(Refusal, match=r"swapoff .* failed"):
        swaps.stop(UNIT)
    assert (folder / FILE[1:]).exists()
