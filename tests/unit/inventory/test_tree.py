"""Several files read as one."""

import os
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict

from deployer.errors import InventoryError
from deployer.inventory.tree import load_tree, validate


class Inventory(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    hosts: dict[str, int]
    note: str = ""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("inv").mkdir()
    return Path("inv")


def refusals(*paths):
    with pytest.raises(InventoryError) as refused:
        load_tree(paths)
    return list(refused.value.problems)


def test_hosts_of_all_files_stand_side_by_side_and_know_their_file(folder):
    (folder / "b.yml").write_text("\nhosts:\n  two: 2\nnote: x\n")
    (folder / "a.yaml").write_text("hosts:\n  one: 1\n")
    (folder / "c.yml").write_text("# nothing yet\n")
    (folder / ".#b.yml").write_text("broken: [")
    (folder / "schema.json").write_text("{}")
    tree = load_tree([folder])
    assert tree.data == {"hosts": {"one": 1, "two": 2}, "note": "x"}
    assert list(tree.data["hosts"]) == ["one", "two"]
    assert tree.position(("hosts", "one")) == (folder / "a.yaml", 2)
    assert tree.position(("hosts", "two")) == (folder / "b.yml", 3)
    assert tree.position(("hosts", "two", "deeper"), key=True) == (folder / "b.yml", 3)
    assert tree.position(("note",)) == (folder / "b.yml", 4)
    assert tree.file_of(("hosts", "two")) == folder / "b.yml"
    assert tree.node_at(("hosts", "two")).value == 2
    assert validate(Inventory, tree).hosts == {"one": 1, "two": 2}


def test_a_host_in_two_files_names_both_places(folder):
    (folder / "a.yml").write_text("hosts:\n  one: 1\n  two: 2\n")
    (folder / "b.yml").write_text("hosts:\n\n  two: 2\n  one: 3\n")
    assert refusals(folder) == [
        "inv/b.yml:3: hosts.two: stands in two files, also in inv/a.yml:3; keep one of them",
        "inv/b.yml:4: hosts.one: stands in two files, also in inv/a.yml:2; keep one of them",
    ]


def test_any_other_key_comes_from_one_file(folder):
    (folder / "a.yml").write_text("note: 1\n")
    (folder / "b.yml").write_text("hosts: {}\nnote: 1\n")
    assert refusals(folder) == ["inv/b.yml:2: note: stands in two files, also in inv/a.yml:1; keep one of them"]


@pytest.mark.parametrize(("first", "second"), [("hosts:\n", "hosts: {one: 1}\n"), ("hosts: {one: 1}\n", "hosts:\n")])
def test_an_empty_hosts_key_hides_no_host_of_another_file(folder, first, second):
    (folder / "a.yml").write_text(first)
    (folder / "b.yml").write_text(second)
    assert load_tree([folder]).data == {"hosts": {"one": 1}}


@pytest.mark.parametrize(
    ("first", "second"), [("hosts: 5\n", "hosts: {one: 1}\n"), ("hosts: {one: 1}\n", "hosts: [x]\n")]
)
def test_hosts_that_are_no_mapping_cannot_be_merged(folder, first, second):
    (folder / "a.yml").write_text(first)
    (folder / "b.yml").write_text(second)
    assert refusals(folder) == ["inv/b.yml:1: hosts: stands in two files, also in inv/a.yml:1; keep one of them"]


def test_a_file_that_is_no_mapping_is_refused(folder):
    (folder / "a.yml").write_text("- one\n")
    (folder / "b.yml").write_text("one\n")
    assert refusals(folder) == [
        'inv/a.yml:1: expected a mapping such as "hosts:", found a list',
        'inv/b.yml:1: expected a mapping such as "hosts:", found "one"',
    ]


def test_syntax_faults_of_all_files_come_together(folder):
    (folder / "a.yml").write_text("a: 1\na: 2\n")
    (folder / "b.yml").write_bytes(b"\xff")
    (folder / "c.yml").write_text("\tx: 1")
    assert [text.split(":")[0] for text in refusals(folder)] == ["inv/a.yml", "inv/b.yml", "inv/c.yml"]


def test_a_file_named_twice_is_read_once(folder):
    (folder / "a.yml").write_text("hosts: {one: 1}\n")
    assert load_tree([folder, folder / "a.yml", Path.cwd() / folder]).data == {"hosts": {"one": 1}}
    assert len(load_tree([folder, folder / "a.yml"]).documents) == 1


def test_a_missing_or_empty_folder_says_what_to_do(folder):
    for paths in ([folder], [Path("none")], [Path("none.yml")], []):
        with pytest.raises(InventoryError, match="there is no") as refused:
            load_tree(paths)
        assert "name another inventory" in refused.value.next_step
        assert refused.value.exit_code == 2


def test_a_pipe_is_refused_and_not_waited_for(folder):
    os.mkfifo(folder / "a.yml")
    assert refusals(folder) == ["inv/a.yml: is not a regular file; expected a YAML file"]


def test_a_dangling_link_is_refused(folder):
    (folder / "a.yml").symlink_to("nowhere.yml")
    assert refusals(folder) == ["inv/a.yml: does not exist; expected a YAML file"]
