"""Follow the place of a pydantic error through the model: which value it means, and what is wanted there.

The walk uses the model's JSON schema, which is public and the same that editors complete from, not pydantic's
inner parts. A place (``loc``) is not simply a path: at a union it also names the branch that was tried, and
at a faulty mapping key it ends with ``[key]``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from pydantic import BaseModel

    from deployer.inventory.problems import Value, ValuePath

Schema: TypeAlias = Mapping[str, Any]

_REFERENCE = "#/$defs/"
#: What pydantic calls a branch of a union in an error's place, by the type that JSON schema gives it.
_TYPE_LABELS = {
    "int": "integer",
    "float": "number",
    "decimal": "number",
    "str": "string",
    "bool": "boolean",
    "list": "array",
    "tuple": "array",
    "set": "array",
    "frozenset": "array",
    "dict": "object",
}
_LABEL_WORD = re.compile(r"(?:constrained-)?(?P<word>[a-z]+)(?:\[.*\])?")


@dataclass(frozen=True)
class Option:
    """One form that a value may take: a schema without references and unions, and the labels it goes by."""

    schema: Schema
    labels: frozenset[str] = frozenset()

    def goes_by(self, label: str) -> bool:
        """Say whether pydantic means this option by ``label``."""
        if label in self.labels:
            return True
        if label.startswith("function-") and ", " in label:
            return self.goes_by(label.rsplit(", ", 1)[1].removesuffix("]"))
        if label.startswith("literal["):
            return "enum" in self.schema or "const" in self.schema
        word = _LABEL_WORD.fullmatch(label)
        is_model = "properties" in self.schema
        return bool(word) and not is_model and self.schema.get("type") == _TYPE_LABELS.get(word["word"] if word else "")


@dataclass(frozen=True)
class Branch:
    """A union that the place passes: where it is, and the label of the branch that was tried."""

    path: ValuePath
    label: str
    options: tuple[Option, ...]


@dataclass(frozen=True)
class Place:
    """Where an error is.

    Attributes:
        path: The way through the file's data alone.
        options: What the model takes there; empty if it knows nothing of the kind.
        parent_options: The same for the mapping or list around it.
        description: What the model says of the field, first paragraph; may be empty.
        is_key: The error is about the key itself.
        branches: Unions on the way, outermost first.
    """

    path: ValuePath
    options: tuple[Option, ...]
    parent_options: tuple[Option, ...] = ()
    description: str = ""
    is_key: bool = False
    branches: tuple[Branch, ...] = ()


@cache
def _schema_of(model: type[BaseModel]) -> Schema:
    """Make a model's schema once: it is large, and only read."""
    return model.model_json_schema(mode="validation")


@dataclass
class SchemaWalk:
    """Walks places through one model's schema."""

    model: type[BaseModel]
    _root: Schema = field(init=False)

    def __post_init__(self) -> None:
        self._root = _schema_of(self.model)

    def place_of(self, loc: Sequence[str | int], data: Value) -> Place:
        """Find the place that an error's ``loc`` means.

        Args:
            loc: The place in pydantic's form.
            data: The data that was validated; it tells keys from labels where both are possible.
        """
        path: list[str | int] = []
        options = self.options(self._root)
        parents: tuple[Option, ...] = ()
        description = ""
        branches: list[Branch] = []
        branch_chosen = False
        value: Value = data
        for position, part in enumerate(loc):
            is_last = position == len(loc) - 1
            if part == "[key]" and is_last and path:
                return Place(tuple(path), _key_options(parents), parents, is_key=True, branches=tuple(branches))
            if len(options) > 1 and not branch_chosen:
                branches.append(Branch(tuple(path), str(part), options))
                options = tuple(option for option in options if option.goes_by(str(part))) or options
                branch_chosen = True
                continue
            children = [child for option in options for child in _children(option.schema, part)]
            if not children and not is_last and not _holds(value, part):
                continue  # a label of a wrapper that the schema does not show
            path.append(part)
            value = _inside(value, part)
            parents, branch_chosen = options, False
            options = tuple(option for child in children for option in self.options(child))
            own = next((text for child in children if (text := self._description(child))), "")
            description = own if own or (isinstance(part, str) and not _is_open(parents, part)) else description
        return Place(tuple(path), options, parents, description, branches=tuple(branches))

    def options(self, schema: Schema) -> tuple[Option, ...]:
        """List the forms that ``schema`` takes, unions resolved; null only if it is the only one."""
        found = tuple(self._flattened(schema, frozenset()))
        return tuple(option for option in found if option.schema.get("type") != "null") or found

    def _flattened(self, schema: Schema, labels: frozenset[str]) -> Iterator[Option]:
        reference = schema.get("$ref")
        if reference:
            name = str(reference).removeprefix(_REFERENCE)
            yield from self._flattened(self._root["$defs"][name], labels | {name})
            return
        for union in ("anyOf", "oneOf", "allOf"):
            if union in schema:
                tags = schema.get("discriminator", {}).get("mapping", {})
                for branch in schema[union]:
                    own = {tag for tag, target in tags.items() if target == branch.get("$ref")}
                    yield from self._flattened(branch, labels | own)
                return
        yield Option(schema, labels | {str(schema.get("title", ""))})

    def _description(self, schema: Schema) -> str:
        text = schema.get("description", "")
        if not text and "$ref" in schema:
            text = self._root["$defs"][str(schema["$ref"]).removeprefix(_REFERENCE)].get("description", "")
        return " ".join(str(text).split("\n\n")[0].split())


def known_names(options: Sequence[Option]) -> tuple[str, ...]:
    """List the field names that a mapping of these forms may have."""
    return tuple(dict.fromkeys(name for option in options for name in option.schema.get("properties", {})))


def _children(schema: Schema, part: str | int) -> Iterator[Schema]:
    if isinstance(part, int):
        fixed = schema.get("prefixItems", ())
        if part < len(fixed):
            yield fixed[part]
        elif isinstance(schema.get("items"), Mapping):
            yield schema["items"]
        return
    named = schema.get("properties", {}).get(part)
    if named is not None:
        yield named
        return
    yield from schema.get("patternProperties", {}).values()
    if isinstance(schema.get("additionalProperties"), Mapping):
        yield schema["additionalProperties"]


def _is_open(parents: Sequence[Option], name: str) -> bool:
    """Say whether the name is an entry of the user's own (``environment.X``), not a field of a model."""
    return not any(name in option.schema.get("properties", {}) for option in parents)


def _key_options(parents: Sequence[Option]) -> tuple[Option, ...]:
    found = []
    for option in parents:
        names = option.schema.get("propertyNames")
        if names:
            found.append(Option({"type": "string", **names}))
        found += [Option({"type": "string", "pattern": p}) for p in option.schema.get("patternProperties", {})]
    return tuple(found) or (Option({"type": "string"}),)


def _holds(value: Value, part: str | int) -> bool:
    if isinstance(value, dict):
        return part in value
    return isinstance(value, list) and isinstance(part, int) and part < len(value)


def _inside(value: Value, part: str | int) -> Value:
    if isinstance(value, dict):
        return value.get(str(part))
    if isinstance(value, list) and isinstance(part, int) and part < len(value):
        return value[part]
    return None
