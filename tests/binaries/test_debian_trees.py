"""A Debian tree is made once whoever asks for it, never half, and anew when its recipe changes."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from collections.abc import Iterator

import pytest

from deployer.sandbox import Recipe, SandboxError, debian_tree, made_trees, trees
from deployer.sandbox.places import places
from deployer.sandbox.programs import remove_tree

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]  # it makes trees
NAME = "tiny"
ASKING = """
import sys
from deployer.sandbox import Recipe, debian_tree, trees
trees.TREES = {"tiny": Recipe(release="bookworm", packages=("netbase",))}
with debian_tree("tiny", print) as folder:
    print(folder, (folder / "bin/sh").exists())
"""


@pytest.fixture
def recipes(sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Recipe]]:
    found = {NAME: Recipe(release="bookworm", packages=("netbase",))}
    monkeypatch.setattr(trees, "TREES", found)
    yield found
    for folder in places().trees.glob(f"{NAME}-*"):
        remove_tree(folder)
    for lock in (places().root / "locks").glob(f"*{NAME}-*"):
        lock.unlink()


def test_an_unknown_tree_is_refused_with_those_that_exist(sandbox):
    with pytest.raises(SandboxError, match="no tree called 'buster'"), debian_tree("buster"):
        pass


@pytest.mark.slow
def test_two_processes_make_it_once_and_what_was_left_half_made_is_gone(recipes: dict[str, Recipe]):
    half = trees._folder(places(), NAME)
    half = half.with_name(f"{half.name}.part")
    (half / "left/over").mkdir(parents=True)
    asking = [subprocess.Popen([sys.executable, "-c", ASKING], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = "".join(each.communicate(timeout=600)[0] for each in asking)
    assert [each.returncode for each in asking] == [0, 0]
    assert said.count("making the tree") == 1
    assert said.count("True\n") == 2
    assert not half.exists()

    with debian_tree(NAME) as old:
        assert not (old / "left").exists()
        # another recipe: the old tree is in use, so it stays; then it goes
        recipes[NAME] = Recipe(release="bookworm", packages=("media-types",))
        with debian_tree(NAME) as new:
            assert old.is_dir()
            assert new.is_dir()
    recipes[NAME] = Recipe(release="bookworm", packages=("netbase", "media-types"))
    with debian_tree(NAME) as newest:
        assert [tree.folder for tree in made_trees() if tree.name == NAME] == [newest]


@pytest.mark.slow
def test_a_tree_that_cannot_be_made_leaves_none(recipes: dict[str, Recipe]):
    recipes[NAME] = Recipe(release="bookworm", packages=("no-such-package",))
    with pytest.raises(SandboxError, match="no-such-package"), debian_tree(NAME):
        pass
    assert not [tree for tree in made_trees() if tree.name == NAME]
    with (places().root / "locks" / trees._folder(places(), NAME).name).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
