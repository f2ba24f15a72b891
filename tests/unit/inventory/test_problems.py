"""From a wrong file to words: file, line, dotted path, expected, found, the nearest right name."""

import re
from pathlib import Path
from typing import Annotated, Literal

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    RootModel,
    StringConstraints,
    model_validator,
)
from pydantic_core import PydanticCustomError

from deployer.errors import InventoryError
from deployer.inventory.problems import MOST_PROBLEMS_SHOWN, Problem, dotted, quoted, raise_if_any
from deployer.inventory.tree import merge, validate
from deployer.inventory.yaml_positions import parse

FILE = Path("inventories/example.yml")


class Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)


def refuse_seven(value):
    if value == 7:
        raise PydanticCustomError("seven", "seven is out of luck; take {other}", {"other": 8})
    return value


class Machine(Strict):
    """One machine.

    A second paragraph is too much for one line.
    """

    memory_mib: Annotated[int, Field(ge=512)]
    """Memory as sold, MiB."""
    cpu_cores: Annotated[int, Field(ge=1, le=64)] = 1
    """Virtual cores."""
    swap_mib: Annotated[int, Field(ge=0)] = 0
    """Swap, MiB."""
    disk_kind: Literal["ssd", "hdd"] = "ssd"
    """Kind of disk."""
    link_mbit_per_s: Annotated[float, Field(gt=0)] | None = None
    """Link."""
    lucky: Annotated[int, BeforeValidator(refuse_seven)] = 1
    """A number."""


class Database(Strict):
    kind: Literal["mysql"]
    version: Literal["10.11", "11.8"] = "11.8"
    """Server version."""


class Web(Strict):
    kind: Literal["nginx"]
    workers: int | Literal["auto"] = "auto"
    """Worker processes."""
    http2: bool = True
    """Offer HTTP/2."""
    socket: Annotated[str, StringConstraints(pattern=r"^/[a-z]+$")] = "/s"
    cache: "Cache | bool | None" = None
    """Cache."""


class Cache(Strict):
    size_mib: Annotated[int, Field(ge=1, le=64)]
    """Size, MiB."""
    parts: list[Web | int] = []
    """Parts."""


class PlainDisk(Strict):
    size_gib: Annotated[int, Field(ge=1)]


class SecretDisk(Strict):
    size_gib: Annotated[int, Field(le=5)]
    cipher: str


class Names(RootModel[list[str]]):
    pass


class Host(Strict):
    """
    One VPS.

    More of it.
    """

    machine: Machine
    services: tuple[Annotated[Database | Web, Field(discriminator="kind")], ...] = ()
    """Services."""
    start: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """Command."""
    names: Names = Names([])
    """Names."""
    path: Annotated[str, StringConstraints(pattern=r"^/[a-z]+$")] = "/a"
    """Path of the key on the host."""
    disk: PlainDisk | SecretDisk | None = None
    """Disk."""
    tags: tuple[Annotated[str, StringConstraints(pattern=r"^[a-z]+$")], ...] = ()
    """Words to find the host by."""
    labels: dict[str, Annotated[str, StringConstraints(max_length=3)]] = {}
    """Labels."""

    @model_validator(mode="after")
    def swap_is_smaller(self):
        if self.machine.swap_mib > self.machine.memory_mib:
            raise ValueError("swap_mib is more than memory_mib; write less")
        return self


Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]{0,9}$")]


class Inventory(Strict):
    hosts: dict[Name, Host]
    """All hosts by name."""


def tree_of(*texts):
    documents = []
    for number, text in enumerate(texts):
        document, problems = parse(text.encode(), FILE if not number else Path(f"inventories/more{number}.yml"))
        assert problems == []
        documents.append(document)
    return merge(documents)


def refusals(text, model=Inventory):
    with pytest.raises(InventoryError) as refused:
        validate(model, tree_of(text))
    return list(refused.value.problems)


def host(lines):
    """One host whose lines from 4 on are given."""
    return "hosts:\n  blog1:\n    machine: {memory_mib: 1024}\n" + "".join(
        f"    {line}\n" for line in lines.split("\n")
    )


def machine(line):
    """One host whose machine's line 5 is given."""
    return f"hosts:\n  blog1:\n    machine:\n      memory_mib: 1024\n      {line}\n"


def test_a_problem_reads_file_line_path_message():
    problem = Problem(FILE, 12, ("hosts", "blog1", "names", 0), "expected text, found 1")
    assert str(problem) == "inventories/example.yml:12: hosts.blog1.names[0]: expected text, found 1"
    assert str(Problem(FILE, 0, (), "is empty")) == "inventories/example.yml: is empty"


def test_odd_keys_and_long_or_dangerous_text_are_quoted():
    assert dotted(("a.b", "c", 1, "")) == '"a.b".c[1].""'
    assert quoted('a"b\n\x1b[2J\x9b\u202e') == '"a\\"b\\n\\u001b[2J\\u009b\\u202e"'
    assert len(quoted("x" * 1000)) < 70


def test_problems_are_sorted_counted_and_bounded():
    def found(line):
        return Problem(FILE, line, ("a",), "wrong")

    raise_if_any([])
    with pytest.raises(InventoryError, match="has 2 faults") as refused:
        raise_if_any([found(10), found(9), found(10)])
    assert [text.split(":")[1] for text in refused.value.problems] == ["9", "10"]
    assert refused.value.where == "inventories/example.yml:9"
    with pytest.raises(InventoryError) as refused:
        raise_if_any(found(line) for line in range(1, MOST_PROBLEMS_SHOWN + 6))
    assert refused.value.problems[-1] == "... and 5 more"
    assert len(refused.value.problems) == MOST_PROBLEMS_SHOWN + 1


def test_a_right_file_becomes_the_model_with_tuples():
    made = validate(Inventory, tree_of(host("start: [python, -m, x]\nservices: [{kind: nginx, cache: true}]")))
    assert made.hosts["blog1"].start == ("python", "-m", "x")
    assert made.hosts["blog1"].services[0].cache is True


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("swap_mib: 1G", 'expected a whole number >= 0, found "1G"; 1G is not a number here; write 1024'),
        (
            "swap_mib: 512 MiB",
            'expected a whole number >= 0, found "512 MiB"; 512 MiB is not a number here; write 512',
        ),
        ("swap_mib: -1", "expected a whole number >= 0, found -1"),
        ("swap_mib:", "expected a whole number >= 0, found nothing"),
        ("swap_mib: true", "expected a whole number >= 0, found true"),
        ("swap_mib: 2.5", "expected a whole number >= 0, found 2.5"),
        ("swap_mib: 2.0", "expected a whole number >= 0, found 2.0; write 2"),
        ("swap_mib: [1]", "expected a whole number >= 0, found a list"),
        ("swap_mib: {}", "expected a whole number >= 0, found an empty mapping"),
        ("cpu_cores: 65", "expected a whole number from 1 to 64, found 65"),
        ("cpu_cores: 1G", 'expected a whole number from 1 to 64, found "1G"'),
        ("link_mbit_per_s: 0", "expected a number > 0, found 0"),
        (
            "link_mbit_per_s: 1 gbit",
            'expected a number > 0, found "1 gbit"; 1 gbit is not a number here; write 1000',
        ),
        ("disk_kind: sdd", 'expected one of ssd, hdd, found "sdd"; did you mean ssd?'),
        ("disk_kind: SSD", 'expected one of ssd, hdd, found "SSD"; did you mean ssd?'),
        ("disk_kind: nvme", 'expected one of ssd, hdd, found "nvme"'),
        ("lucky: 7", "seven is out of luck; take 8"),
        ("swap: 1", "unknown key; did you mean `swap_mib`?"),
        ("swap_mb: 1", "unknown key; did you mean `swap_mib`?"),
        ("Swap-MiB: 1", "unknown key; did you mean `swap_mib`?"),
        ("cpuCores: 1", "unknown key; did you mean `cpu_cores`?"),
        (
            "ram_mib: 1",
            "unknown key; expected one of memory_mib, cpu_cores, swap_mib, disk_kind, link_mbit_per_s, lucky",
        ),
    ],
)
def test_a_wrong_line_says_what_is_expected_and_what_to_write(line, message):
    key = line.split(":")[0]
    assert refusals(machine(line)) == [f"inventories/example.yml:5: hosts.blog1.machine.{key}: {message}"]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("012", 12),
        ("0o12", 10),
        ("0x1F", 31),
        ("0b11", 3),
        ("1_000", 1000),
        ("1,000", 1000),
        ("1 000", 1000),
        ("1e3", 1000),
        ("+5", 5),
        ("'12'", 12),
        ("1:30", None),
        ("1,0000", None),
        ("many", None),
        ("1e99", None),
    ],
)
def test_what_yaml_would_take_for_a_number_is_refused_with_the_number(written, meant):
    (text,) = refusals(machine(f"swap_mib: {written}"))
    shown = written.replace("'", '"')
    assert text.endswith(f"; {shown} is not a number here; write {meant}" if meant else f'found "{written}"')


@pytest.mark.parametrize("written", ["no", "yes", "on", "off", "True", "y"])
def test_yes_and_no_are_not_truth_values(written):
    (text,) = refusals(host(f"services: [{{kind: nginx, http2: {written}}}]"))
    assert text.endswith(
        f'services[0].http2: expected true or false, found "{written}"; '
        f"{written} is not a truth value here; write true or false"
    )


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("path: 12", '4: hosts.blog1.path: expected text matching ^/[a-z]+$, found 12; write "12" in quotes'),
        (
            "path: x",
            '4: hosts.blog1.path: expected text matching ^/[a-z]+$ (Path of the key on the host), found "x"',
        ),
        (
            "labels:\n  a: 1.10",
            ('5: hosts.blog1.labels.a: expected text of at most 3 characters, found 1.10; write "1.10" in quotes'),
        ),
        (
            "labels:\n  a: long",
            '5: hosts.blog1.labels.a: expected text of at most 3 characters, found "long"',
        ),
        (
            "labels:\n  a.b: ~",
            '5: hosts.blog1.labels."a.b": expected text of at most 3 characters, found nothing',
        ),
        (
            "start: go",
            '4: hosts.blog1.start: expected a list of at least 1 item, found "go"; write a list: [go]',
        ),
        ("start: []", "4: hosts.blog1.start: expected a list of at least 1 item, found an empty list"),
        (
            "start:\n  - a\n  - true",
            '6: hosts.blog1.start[1]: expected text, found true; write "true" in quotes',
        ),
        ("names:\n  - 1", '5: hosts.blog1.names[0]: expected text, found 1; write "1" in quotes'),
        ("swap_mib: 1", "4: hosts.blog1.swap_mib: unknown key; did you mean `machine.swap_mib`?"),
        (
            "services:\n  - kind: mysql\n    version: 10.11",
            (
                "6: hosts.blog1.services[0].version: "
                'expected one of "10.11", "11.8", found 10.11; write "10.11" in quotes'
            ),
        ),
        (
            "services:\n  - kind: ngnix",
            ('5: hosts.blog1.services[0]: expected kind to be one of mysql, nginx, found "ngnix"; did you mean nginx?'),
        ),
        ("services:\n  - http2: true", "5: hosts.blog1.services[0]: kind is required: one of mysql, nginx"),
        (
            "services:\n  - kind: nginx\n    workers: many",
            '6: hosts.blog1.services[0].workers: expected a whole number or auto, found "many"',
        ),
        (
            "disk:\n  size_gib: 9\n  cipher: aes",
            "5: hosts.blog1.disk.size_gib: expected a whole number <= 5, found 9",
        ),
        (
            "disk:\n  size_gib: 1\n  cypher: aes",
            "6: hosts.blog1.disk.cypher: unknown key; did you mean `cipher`?",
        ),
        (
            "tags: [a, B]",
            '4: hosts.blog1.tags[1]: expected text matching ^[a-z]+$ (Words to find the host by), found "B"',
        ),
        (
            "services: [{kind: nginx, socket: x}]",
            '4: hosts.blog1.services[0].socket: expected text matching ^/[a-z]+$, found "x"',
        ),
        (
            "services:\n  - kind: nginx\n    cache: much",
            (
                "6: hosts.blog1.services[0].cache: "
                'expected a mapping with size_mib, parts, or true or false, found "much"'
            ),
        ),
        (
            "services:\n  - kind: nginx\n    cache:\n      size_mib: 65",
            "7: hosts.blog1.services[0].cache.size_mib: expected a whole number from 1 to 64, found 65",
        ),
        (
            (
                "services:\n  - kind: nginx\n    cache:\n      size_mib: 1\n"
                "      parts:\n        - 1\n        - {kind: nginx, htp2: true}"
            ),
            "10: hosts.blog1.services[0].cache.parts[1].htp2: unknown key; did you mean `http2`?",
        ),
    ],
)
def test_deep_places_in_lists_mappings_and_unions(lines, problem):
    assert refusals(host(lines)) == [f"inventories/example.yml:{problem}"]


def test_a_missing_key_stands_where_it_belongs_with_its_description():
    (text,) = refusals("hosts:\n  blog1:\n    machine:\n      cpu_cores: 1\n")
    assert text == (
        "inventories/example.yml:3: hosts.blog1.machine.memory_mib: "
        "is required: Memory as sold, MiB (a whole number >= 512)"
    )
    (text,) = refusals("hosts:\n  blog1:\n    labels: {}\n")
    assert text.startswith(
        "inventories/example.yml:2: hosts.blog1.machine: is required: "
        "One machine (a mapping with memory_mib, cpu_cores,"
    )
    (text,) = refusals("# nothing\n")
    assert text == "inventories/example.yml:1: hosts: is required: All hosts by name (a mapping)"


def test_a_misspelt_required_key_is_one_fault():
    (text,) = refusals("hosts:\n  blog1:\n    machine:\n      memory_mb: 1024\n")
    assert text.endswith("4: hosts.blog1.machine.memory_mb: unknown key; did you mean `memory_mib`?")


def test_a_refused_name_is_told_at_its_key():
    (text,) = refusals("hosts:\n  Blog_1:\n    machine: {memory_mib: 1024}\n")
    assert text == (
        'inventories/example.yml:2: hosts.Blog_1: the name "Blog_1" is refused; '
        "expected text matching ^[a-z][a-z0-9]{0,9}$"
    )


def test_the_model_s_own_words_are_kept_as_they_are():
    (text,) = refusals(machine("swap_mib: 4096"))
    assert text == "inventories/example.yml:2: hosts.blog1: swap_mib is more than memory_mib; write less"


def test_all_faults_of_all_files_at_once_in_the_order_of_their_lines():
    first = "hosts:\n  a1:\n    machine:\n      swap_mib: 1G\n      memory_mib: 1\n"
    first += "      colour: red\n    pth: /a\n"
    second = "hosts:\n\n  b1:\n    machine: {memory_mib: 1024, cpu_cores: 0}\n    path: a\n"
    with pytest.raises(InventoryError, match="has 6 faults") as refused:
        validate(Inventory, tree_of(first, second))
    places = [tuple(text.split(": ")[:2]) for text in refused.value.problems]
    assert places == [
        ("inventories/example.yml:4", "hosts.a1.machine.swap_mib"),
        ("inventories/example.yml:5", "hosts.a1.machine.memory_mib"),
        ("inventories/example.yml:6", "hosts.a1.machine.colour"),
        ("inventories/example.yml:7", "hosts.a1.pth"),
        ("inventories/more1.yml:4", "hosts.b1.machine.cpu_cores"),
        ("inventories/more1.yml:5", "hosts.b1.path"),
    ]


ANY_VALUE = st.sampled_from(
    [
        "1",
        "0",
        "-3",
        "1.5",
        "true",
        "~",
        "no",
        "'x'",
        "nginx",
        "mysql",
        "10.11",
        "auto",
        "[]",
        "{}",
        "[1, a]",
        "{kind: nginx}",
        "{kind: mysql, version: 1}",
        "{kind: nginx, cache: {size_mib: a, parts: [{}, x, {kind: 1}]}}",
        "[{kind: nginx}, []]",
        '"\\u0000\\e"',
        "{a: {b: {c: [1]}}}",
    ]
)
ANY_KEY = st.sampled_from(
    [
        "machine",
        "services",
        "start",
        "names",
        "path",
        "labels",
        "memory_mib",
        "kind",
        "cache",
        "'[key]'",
        "int",
        "Web",
        "''",
    ]
)
PYDANTIC_WORDING = re.compile(
    r"pydantic|https?://|Input should|valid (integer|string)|type=|Extra inputs|Field required|union"
)


@settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(ANY_KEY, ANY_VALUE, max_size=4),
    st.dictionaries(ANY_KEY, ANY_VALUE, max_size=3),
    ANY_VALUE,
)
def test_any_tree_gives_the_model_or_problems_in_our_words(outer, inner, other):
    body = "".join(f"    {key}: {value}\n" for key, value in outer.items() if key != "machine" or not inner)
    body += "".join(["    machine:\n", *(f"      {k}: {v}\n" for k, v in inner.items())] if inner else [])
    tree = tree_of(f"hosts:\n  a1:\n{body or '    x: 1' + chr(10)}  b1: {other}\n")
    try:
        assert isinstance(validate(Inventory, tree), Inventory)
    except InventoryError as refused:
        problems = refused.problems
    else:
        return
    assert problems
    for text in problems:
        assert re.match(r"inventories/example\.yml:\d+: hosts\.", text)
        assert not PYDANTIC_WORDING.search(text)
