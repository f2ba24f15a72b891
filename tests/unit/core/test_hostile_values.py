"""Values full of shell, Jinja and newline tricks are refused, or come out as one value in their field."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hostile import (
    DOCUMENT,
    TRICKS,
    cut_to,
    expanded,
    fields_of_the_schema,
    form,
    is_taken,
    systemd_words,
    text_places,
    with_value,
)

from deployer.allocate import allocate
from deployer.dialects import DIALECTS, read
from deployer.errors import InventoryError
from deployer.inventory import load_inventory
from deployer.registry import dialect_of
from deployer.render import Rendered, render

PLACES = tuple(text_places(DOCUMENT))
#: Fields whose text reaches a file or a command as a word of its own: any printable text has to do there.
WORDS = {
    ("hosts", "*", "apps", "*", *rest)
    for rest in (
        ("database", "migrate", "*"),
        ("database", "seed", "*"),
        ("background", "*", "command", "*"),
        ("timers", "*", "command", "*"),
        ("environment", "*"),
        ("go", "arguments", "*"),
    )
}
#: Texts of this machine alone: paths, and programs for secrets, which no shell reads.
HERE = {
    "source",
    "config",
    "key_file",
    "known_hosts_file",
    "templates",
    "file",
    "command",
    "age",
    "identity_file",
    "sops",
}


def loaded(tmp_path: Path, document: dict[str, Any]) -> Any:
    (tmp_path / document["templates"]).mkdir(exist_ok=True)
    file = tmp_path / "hosts.yml"
    file.write_text(yaml.safe_dump(document, allow_unicode=False), encoding="utf-8")
    return load_inventory([file]).entry("web1")


def rendered(tmp_path: Path, document: dict[str, Any]) -> Rendered:
    declaration = loaded(tmp_path, document).declaration
    return render(declaration, allocate(declaration))


def statements(one: Rendered) -> dict[str, list[tuple[str, tuple[str, ...]]]]:
    """Give the names and nesting of all settings of all files, as their own dialects read them."""
    found = {}
    for file in one.files:
        dialect = file.wanted.dialect.partition("/")[0] or dialect_of(file.path)
        if dialect in DIALECTS:
            found[file.path] = [(each.name, each.context) for each in read(dialect, file.content.decode())]
    return found


def words_of_units(one: Rendered) -> dict[str, list[str]]:
    """Give each unit's words of commands and variables, as systemd takes them, in their order."""
    found = {}
    for file in one.files:
        if not file.path.startswith("/etc/systemd/system/"):
            continue
        words = []
        for each in read("unit", file.content.decode()):
            if each.name in ("Environment", "ExecStart"):
                split = systemd_words(each.value or "")
                words += [expanded(word, variables=each.name == "ExecStart") for word in split]
        found[file.path] = words
    return found


def test_every_text_field_of_the_inventory_is_tried():
    tried = {(*form(path), "key") if is_key else form(path) for path, is_key in PLACES}
    missing = fields_of_the_schema() - tried
    assert not missing, f"hostile.DOCUMENT has no {sorted(missing)}"
    assert is_taken(DOCUMENT)


def test_a_field_takes_no_trick_unless_it_is_meant_to_hold_any_text():
    taken: dict[tuple[str, ...], set[str]] = {}
    for path, is_key in PLACES:
        if form(path) in WORDS or path[-1] in HERE or "command" in path:
            continue
        for trick in TRICKS:
            if is_taken(with_value(cut_to(path), path, trick, is_key=is_key)):
                taken.setdefault((*form(path), "key") if is_key else form(path), set()).add(trick)
    # one word for every reader; what a path or a word beginning with a dash may do there is judged by tests of its own
    plain = {trick for trick in TRICKS if re.fullmatch(r"[A-Za-z0-9_@./+~*?,=-]+", trick)}
    odd = {".".join(field): tricks - plain for field, tricks in taken.items() if tricks - plain}
    # what a visitor of the load test sends besides: one line of a header, sent by no shell; its name is a token of HTTP
    headers = "hosts.*.slo.uncached_headers.*"
    assert all(trick.isascii() and trick.isprintable() for trick in odd.pop(headers))
    # what it looks for in their pages is compared, and goes nowhere
    assert all(trick.isascii() and trick.isprintable() for trick in odd.pop("hosts.*.slo.body"))
    assert all(re.fullmatch(r"[!#-'*+.^_`|~0-9A-Za-z-]+", trick) for trick in odd.pop(f"{headers}.key"))
    assert {name: tricks for name, tricks in odd.items() if tricks != {" a "}} == {}
    # systemd.time has blanks, and is checked by systemd; so have keys of sops, which are quoted
    assert {name.partition(".*.")[2] for name in odd} == {
        "apps.*.timers.*.on_calendar", "apps.*.secrets.*.key.*", "ssh.sudo_password.key.*"
    }  # fmt: skip


@pytest.mark.parametrize("trick", [trick for trick in TRICKS if any(ord(char) < 32 for char in trick)])
def test_no_control_character_and_no_second_line_gets_into_any_word(trick):
    words = [path for path, is_key in PLACES if form(path) in WORDS]
    assert not [path for path in words if is_taken(with_value(cut_to(path), path, trick, is_key=False))]


def test_a_refused_value_is_shown_in_one_line_that_moves_no_cursor(tmp_path):
    for trick in ("a\nb", "\x1b[2J", "a\u202eb", "a\u2028b", "{{ 7*7 }}"):
        with pytest.raises(InventoryError) as caught:
            loaded(tmp_path, with_value(DOCUMENT, ("hosts", "web1", "ssh", "user"), trick, is_key=False))
        for line in caught.value.problems:
            assert line.isprintable()
        assert "49" not in "".join(caught.value.problems).replace(str(tmp_path), "")


def full_of(texts: list[str]) -> dict[str, Any]:
    """Give the document with all the texts in every list of words and in the variables."""
    document = copy.deepcopy(DOCUMENT)
    apps = document["hosts"]["web1"]["apps"]
    words = ["tool", *texts]
    apps["gopher"]["go"]["arguments"] = list(texts)
    apps["py"]["environment"] = {f"T{number}": text for number, text in enumerate(texts)}
    for place, key in (
        (apps["py"]["database"], "migrate"),
        (apps["py"]["database"], "seed"),
        (apps["py"]["background"]["mail"], "command"),
        (apps["py"]["timers"]["clean"], "command"),
    ):
        place[key] = [*words]
    return document


def test_every_other_value_comes_out_as_one_word_in_its_field(tmp_path):
    tricks = [trick for trick in TRICKS if not any(ord(char) < 32 for char in trick)]
    assert {form(path) for path, _ in text_places(full_of(tricks))} >= WORDS
    plain = rendered(tmp_path, full_of([f"plain{number}" for number in range(len(tricks))]))
    found = rendered(tmp_path, full_of(tricks))
    assert len(statements(plain)) > 25
    assert statements(found) == statements(plain), "a value makes or hides a setting"
    meant = {f"plain{number}": trick for number, trick in enumerate(tricks)}
    meant |= {f"T{number}=plain{number}": f"T{number}={trick}" for number, trick in enumerate(tricks)}
    words, seen = words_of_units(plain), 0
    for path, those in words_of_units(found).items():
        assert those == [meant.get(word, word) for word in words[path]], path
        seen += sum(word in meant for word in words[path])
    assert seen >= 6 * len(tricks), "variables of py, its worker and its timer; the words of both, and of gopher"
    assert len(found.wanted.commands) == 2
    for command in found.wanted.commands:
        assert command.argv[1:] == tuple(tricks)
        assert set(command.environment.items()) >= {(f"T{number}", trick) for number, trick in enumerate(tricks)}


def test_a_command_begins_with_a_whole_path_whatever_is_written(tmp_path):
    """systemd takes `@`, `-`, `+`, `!` and `:` before a program for orders, in quotes too."""
    for word in ("@/bin/sh", "+/bin/sh", "!/bin/sh", "-/bin/sh", ":/bin/sh", "|x", "a b", "$(id)", "%n"):
        document = copy.deepcopy(DOCUMENT)
        document["hosts"]["web1"]["apps"]["py"]["background"]["mail"]["command"] = [word, "x"]
        found = rendered(tmp_path, document)
        for path, words in words_of_units(found).items():
            if "app-py-mail" in path and path.endswith(".service"):
                assert words[-2].startswith("/srv/py/"), words
                assert words[-2].endswith(word)
