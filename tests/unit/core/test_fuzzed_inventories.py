"""Bad input: whatever an inventory says, it renders or is refused in words that fit on a screen. Never a traceback."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import get_args

import pytest
import yaml
from fuzzed import fuzzed
from pydantic import BaseModel

from deployer.allocate import allocate
from deployer.errors import DeployerError
from deployer.inventory import load_inventory
from deployer.inventory.models import HostForm
from deployer.render import render

HOSTS = yaml.safe_load((Path(__file__).parents[3] / "inventories/example.yml").read_text())["hosts"]
#: What a person reads without scrolling far.
SCREEN_LINES, SCREEN_COLUMNS = 60, 600


def outcome_of(text: str, file: Path) -> str:
    """Take an inventory as far as it goes, and name where that is."""
    file.write_text(text, encoding="utf-8", errors="surrogatepass")
    stage = "read"
    try:
        for entry in load_inventory([file]).entries.values():
            stage = "budgeted"
            budget = allocate(entry.declaration)
            stage = "rendered"
            render(entry.declaration, budget)
    except DeployerError as error:
        check_words(error)
        return f"refused when {stage}"
    return "rendered"


def check_words(error: DeployerError) -> None:
    shown = error.diagnostics().splitlines()
    assert "fault of ours" not in error.message, error.message
    assert len(shown) <= SCREEN_LINES, f"{len(shown)} lines"
    assert max(map(len, shown)) <= SCREEN_COLUMNS, max(shown, key=len)
    assert error.exit_code in {2, 3}


@contextmanager
def told(seed: int, text: str) -> Iterator[None]:
    """Say which seed it was if something goes wrong with it."""
    went_well = False
    try:
        yield
        went_well = True
    finally:
        if not went_well:
            print(f"seed {seed}:\n{text[:4000]}")


def check(seeds: range, folder: Path) -> Counter[str]:
    found: Counter[str] = Counter()
    for seed in seeds:
        text = fuzzed(seed, HOSTS)
        with told(seed, text):
            found[outcome_of(text, folder / "fuzzed.yml")] += 1
    return found


def test_fuzzed_inventories_render_or_are_refused_in_words(tmp_path):
    found = check(range(1500), tmp_path)
    # it would show nothing if all of them were refused at the door, or none
    assert min(found[end] for end in ("rendered", "refused when budgeted", "refused when read")) > 50, found


@pytest.mark.slow
@pytest.mark.parametrize("part", range(1, 8))
def test_ten_thousand_of_them(part, tmp_path):
    check(range(part * 1500, min(10_000, (part + 1) * 1500)), tmp_path)


def floats_of(model: type[BaseModel], way: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Name every number of a form that may have a fraction, and the way there; ``*`` is any app."""
    for name, field in model.model_fields.items():
        text = str(field.annotation)
        if "float" in text:
            yield (*way, name)
        inner = [one for one in (field.annotation, *get_args(field.annotation)) if isinstance(one, type)]
        for one in inner:
            if issubclass(one, BaseModel):
                yield from floats_of(one, (*way, name, "*") if "dict[" in text else (*way, name))


FLOATS = tuple(floats_of(HostForm))


def test_the_numbers_with_a_fraction_are_found():
    assert {
        ("target", "page_kib"),
        ("hardware", "bandwidth_mbit_per_s"),
        ("apps", "*", "gunicorn", "compute_ms"),
        ("slo", "phases", "open_share"),
    } <= set(FLOATS)


@pytest.mark.parametrize("way", FLOATS, ids=".".join)
def test_every_number_with_a_fraction_may_be_as_small_as_its_form_says_and_no_smaller(way, tmp_path):
    """A number near zero in a quotient is infinite, and no whole number is."""
    measured = {"wait_ms": 600_000, "compute_ms": 600_000}
    app = {"source": ".", "server_names": ["a.example"], "gunicorn": {"module": "a:b", "worker_class": "sync"}}
    app["gunicorn"] |= measured

    def tried(value: float) -> str:
        host = {
            "hardware": {"cpu_cores": 64, "memory_mib": 262_144, "bandwidth_mbit_per_s": 100_000},
            "ssh": {"address": "192.0.2.1"},
            "target": {"page_every_s": 3600},
            "apps": {"a": app},
        }
        host["hardware"]["traffic_gb_per_month"] = 10**9
        host = copy.deepcopy(host)
        holder = host
        for key in way[:-1]:
            holder = holder.setdefault("a" if key == "*" else key, {})
        holder[way[-1]] = value
        return outcome_of(yaml.safe_dump({"hosts": {"any": host}}), tmp_path / "small.yml")

    for tiny in (5e-324, 1e-320, 1e-300, 1e-12):
        assert tried(tiny) == "refused when read" or way[-1] == "wait_ms", tiny
    for power in range(-4, 6):
        tried(10.0**power)


def test_a_seed_gives_the_same_inventory():
    assert fuzzed(7, HOSTS) == fuzzed(7, HOSTS)
