"""Bad input: whatever an inventory says, it renders or is refused in words that fit on a screen. Never a traceback."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from fuzzed import fuzzed

from deployer.allocate import allocate
from deployer.errors import DeployerError
from deployer.inventory import load_inventory
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


def test_a_seed_gives_the_same_inventory():
    assert fuzzed(7, HOSTS) == fuzzed(7, HOSTS)
