"""The strict YAML reader: what has a type, what is refused, and where everything stands."""

from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings, strategies as st

from deployer.errors import InventoryError
from deployer.inventory.yaml_positions import MOST_BYTES, MOST_LEVELS, parse, read

FILE = Path("inventories/hosts.yml")


def value_of(text):
    document, problems = parse(text.encode(), FILE)
    assert problems == []
    return document.data


def problems_of(text):
    content = text if isinstance(text, bytes) else text.encode()
    return [str(problem) for problem in parse(content, FILE)[1]]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("true", True),
        ("false", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("0", 0),
        ("-12", -12),
        ("1024", 1024),
        ("1.5", 1.5),
        ("-0.25", -0.25),
        ("10.11", 10.11),
        # What YAML 1.1 would turn into something else stays what it looks like.
        *[
            (text, text)
            for text in [
                "no",
                "No",
                "NO",
                "off",
                "on",
                "yes",
                "y",
                "n",
                "True",
                "FALSE",
                "Null",
                "NULL",
                "012",
                "0o12",
                "0x1F",
                "0b11",
                "1_000",
                "1,000",
                "1e3",
                "1.0e+3",
                "+5",
                ".5",
                "5.",
                "1:30",
                "12:30:45",
                "2024-01-31",
                ".inf",
                "-.inf",
                ".nan",
                "1.2.3",
                "10.77.0.2",
                "=",
                "٣",
            ]
        ],
        ("'no'", "no"),
        ('"12"', "12"),
        ("'true'", "true"),
        ("''", ""),
        ("two words", "two words"),
        ("|\n  12\n", "12\n"),
        ("[no, 012, 1]", ["no", "012", 1]),
        ("{on: off}", {"on": "off"}),
    ],
)
def test_a_scalar_has_a_type_only_where_nobody_could_read_it_otherwise(written, value):
    found = value_of(f"key: {written}")["key"]
    assert found == value
    assert type(found) is type(value)


def test_names_that_yaml_takes_for_truth_are_plain_keys():
    assert value_of("no: 1\non: 2\ny: 3") == {"no": 1, "on": 2, "y": 3}


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n", "\ufeff"])
def test_an_empty_file_is_nothing(text):
    assert value_of(text) is None


def test_a_byte_order_mark_does_not_move_the_first_key():
    document, _ = parse("\ufeffa: 1".encode(), FILE)
    assert document.data == {"a": 1}
    assert document.key_column_of(("a",)) == 1


TEXT = """\
# hosts
hosts:
  blog1:
    hardware:
      memory_mib:   1024
    names:
      - a.example
      -   b.example
    note: |
      text
"""


def test_every_key_and_value_knows_its_line_and_column():
    document, _ = parse(TEXT.encode(), FILE)
    memory = ("hosts", "blog1", "hardware", "memory_mib")
    assert (document.line_of(memory), document.column_of(memory)) == (5, 21)
    assert (document.key_line_of(memory), document.key_column_of(memory)) == (5, 7)
    assert (document.key_line_of(memory[:3]), document.line_of(memory[:3])) == (4, 5)
    names = ("hosts", "blog1", "names")
    assert [document.line_of((*names, index)) for index in (0, 1)] == [7, 8]
    assert document.column_of((*names, 1)) == 11
    assert document.key_line_of(names) == 6


def test_a_missing_place_is_the_nearest_one_above():
    document, _ = parse(TEXT.encode(), FILE)
    assert document.key_line_of(("hosts", "blog1", "hardware", "cpu_cores")) == 4
    assert document.key_line_of(("elsewhere",)) == document.line_of(()) == 2
    assert document.node_at(("hosts", "blog2")) is None
    assert document.node_at(("hosts", "blog1", "names", 1)).value == "b.example"


def test_the_written_form_of_a_plain_scalar_is_kept():
    document, _ = parse(b"a: 1.10\nb: '1.10'", FILE)
    assert document.node_at(("a",)).plain_text == "1.10"
    assert document.node_at(("b",)).plain_text is None


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\nb: 2\na: 3", 3, "a: is given twice, first in line 1"),
        ("h:\n  x: 1\n  'x': 2", 3, "h.x: is given twice, first in line 2"),
        ("{a: 1, a: 2}", 1, "a: is given twice"),
        ("a: &x 1", 1, "a: anchor &x is not supported"),
        ("a: 1\nb: *x", 2, "b: alias *x is not supported; write the value out"),
        (
            "a: !!python/object/apply:os.system [id]",
            1,
            'tag "!!python/object/apply:os.system" is not supported',
        ),
        ("a: ! 12", 1, 'tag "!" is not supported'),
        ("!!map {a: 1}", 1, 'tag "!!map" is not supported'),
        ("a:\n  <<: {b: 1}", 2, "merge key << is not supported"),
        ("a: 1\n---\nb: 2", 2, "a second document starts"),
        ("12: x", 1, 'key 12 is not text; write it in quotes: "12"'),
        ("true: x", 1, 'key true is not text; write it in quotes: "true"'),
        ("~: x", 1, "key ~ is not text"),
        ("?\n: x", 1, "a key is empty"),
        ("? [a, b]\n: x", 1, "a list or mapping stands as a key"),
        ("? {a: b}\n: x", 1, "a list or mapping stands as a key"),
        ("a:\n\tb: 1", 2, "a tab stands where YAML takes only spaces"),
        ("a: b: c", 1, 'a ":" is not expected here'),
        ("a: 1\nb: 'x\nc: 2\n", 2, "a quote is opened here and never closed"),
        ("a: [1, 2\nb: 3", 2, 'the list opened with "[" in line 1'),
        ("a: {b: 1\nc", 2, 'the mapping opened with "{" in line 1'),
        ("a: @x", 1, "must stand in quotes"),
        ("a: 1\nfoo\nb: 2", 2, 'a ":" is missing after this key'),
        ("- a\nb: 1", 2, "the indentation does not match the lines above"),
        ("a: 1\nb: \x1b[31m", 2, "character 0x1B is not allowed in YAML"),
        ("a: 1\nb: 1234567890123456789", 2, "b: a number of 19 digits; expected at most 18"),
        ('a: "\\ud800"', 1, "holds half a character"),
        (b"a: 1\nb: \xff", 2, "is not UTF-8 text: found byte 0xff"),
    ],
)
def test_what_is_refused_says_where_and_why(text, line, words):
    (problem,) = problems_of(text)
    assert problem.startswith(f"{FILE}:{line}: ")
    assert words in problem


def test_numbers_that_the_parser_cannot_hold_are_refused():
    assert "too large a number" in problems_of('a: "\\UFFFFFFFF"')[0]
    assert "is not valid YAML" in problems_of("%YAML " + "9" * 5000 + ".1\n---\na: 1")[0]


def test_all_faults_of_a_file_are_told_at_once_and_the_first_key_wins():
    text = "a: 1\na: {b: *x}\nc: &y 2\n7: z\nd: [!!int 3,\n"
    assert [problem.split(":")[1] for problem in problems_of(text)] == ["2", "2", "3", "4", "5", "6"]
    assert parse(b"a: 1\na: 2", FILE)[0].data == {"a": 1}


def test_an_alias_bomb_is_refused_without_being_expanded():
    levels = [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 20)]
    problems = problems_of("l0: &l0 lol\n" + "\n".join(levels))
    assert len(problems) == 20 + 19 * 9


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ("{a: ", "}")])
def test_nesting_is_bounded(opening, closing):
    assert problems_of(opening * MOST_LEVELS + closing * MOST_LEVELS) == []
    (problem,) = problems_of(opening * (MOST_LEVELS + 1) + closing * (MOST_LEVELS + 1))
    assert "nested deeper than 32 levels" in problem
    assert "nested deeper" in problems_of(opening * 20_000)[0]
    assert "nested deeper" in problems_of("? " * 20_000)[0]


def test_a_file_is_read_from_disk(tmp_path):
    file = tmp_path / "a.yml"
    file.write_bytes(b"a: 1")
    assert read(file).data == {"a": 1}
    file.write_bytes(b"a: 1\na: 2")
    with pytest.raises(InventoryError) as refused:
        read(file)
    assert refused.value.problems == (f"{file}:2: a: is given twice, first in line 1; keep one of them",)


def test_a_file_that_is_too_large_is_refused(tmp_path):
    file = tmp_path / "a.yml"
    file.write_bytes(b"#" * MOST_BYTES)
    assert read(file).data is None
    file.write_bytes(b"#" * (MOST_BYTES + 1))
    with pytest.raises(InventoryError, match="one fault") as refused:
        read(file)
    assert "larger than 1 MiB" in refused.value.problems[0]


def test_what_is_not_a_readable_file_is_refused(tmp_path):
    with pytest.raises(InventoryError) as refused:
        read(tmp_path)
    assert "is not a regular file" in refused.value.problems[0]
    with pytest.raises(InventoryError) as refused:
        read(tmp_path / "none.yml")
    assert "does not exist" in refused.value.problems[0]


FRAGMENTS = st.sampled_from(
    [
        "a",
        "b: ",
        ": ",
        "- ",
        "\n",
        "\n  ",
        "[",
        "]",
        "{",
        "}",
        ", ",
        "&x ",
        "*x",
        "!!int ",
        "!",
        "|",
        ">-",
        "'",
        '"',
        "#",
        "? ",
        "---",
        "...",
        "%YAML 1.1\n",
        "<<: ",
        "\t",
        "12",
        "1.5",
        "true",
        "~",
        "\\u12",
        "\\UFFFFFFFF",
        "\x85",
        "\ufeff",
    ]
)
FUZZ = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


@FUZZ
@given(st.binary(max_size=200) | st.lists(FRAGMENTS, max_size=30).map("".join).map(str.encode))
def test_any_bytes_give_a_document_or_problems(content):
    document, problems = parse(content, FILE)
    for problem in problems:
        assert problem.message
        assert problem.line <= content.count(b"\n") + content.count(b"\r") + content.count(b"\xc2\x85") + 1
    if not problems:
        assert isinstance(document.data, dict | list | str | int | float | None)


PLAIN_DATA = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**17), 10**17)
    | st.text(st.characters(codec="ascii", min_codepoint=32)),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.from_regex("[a-z_]{1,8}", fullmatch=True), inner, max_size=3)
    ),
    max_leaves=12,
)


@FUZZ
@given(PLAIN_DATA)
def test_plain_data_survives_writing_and_reading(data):
    class NoAliases(yaml.SafeDumper):
        def ignore_aliases(self, data):
            return True

    text = yaml.dump(data, Dumper=NoAliases, default_style='"' if isinstance(data, str) else None)
    document, problems = parse(text.encode(), FILE)
    if not any("tag" in str(problem) or "given twice" in str(problem) for problem in problems):
        assert problems == []
        assert document.data == data
