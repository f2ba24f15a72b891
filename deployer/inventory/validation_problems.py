"""Turn what pydantic says into problems: file, line, expected, found, the nearest right name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

from pydantic_core import ErrorDetails, core_schema

from deployer.inventory.problems import Problem, Value, ValuePath, dotted, found_words, quoted
from deployer.inventory.schema_walk import Branch, Option, Place, SchemaWalk, known_names
from deployer.inventory.wording import choice_words, expected_words, hint, nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import BaseModel, ValidationError

    from deployer.inventory.tree import MergedTree

_PYDANTIC_TYPES = frozenset(get_args(core_schema.ErrorType))
#: Errors whose text a model of ours wrote; it is shown as it is.
_OWN_WORDS = ("value_error", "assertion_error")
_MOST_NAMES_SHOWN = 24


@dataclass(frozen=True)
class _Fault:
    """One pydantic error and the place that it means."""

    error: ErrorDetails
    place: Place

    @property
    def kind(self) -> str:
        return self.error["type"]


def from_validation_error(error: ValidationError, model: type[BaseModel], tree: MergedTree) -> list[Problem]:
    """Translate all errors of one validation.

    Args:
        error: What the model raised.
        model: The model that was to be built from ``tree.data``.
        tree: The files' content and positions.

    Returns:
        Problems in the order of the errors, at least one; none has pydantic's wording.
    """
    walk = SchemaWalk(model)
    faults = [
        _Fault(found, walk.place_of(found["loc"], tree.data))
        for found in error.errors(include_url=False)
        if not _only_seems_short(found)
    ]
    problems: list[Problem] = []
    renamed: set[ValuePath] = set()
    missing: list[tuple[ValuePath, Problem]] = []
    for fault in _without_vain_branches(faults):
        path = fault.place.path
        if fault.kind == "extra_forbidden":
            message, meant = _unknown_key(fault.place, walk)
            if meant:
                renamed.add((*path[:-1], meant))
            problems.append(_problem(tree, path, message, at_key=True))
        elif fault.kind == "missing":
            missing.append((path, _problem(tree, path, _missing(fault.place), at_key=True)))
        else:
            at_key = fault.place.is_key or isinstance(fault.error["input"], dict | list)
            problems.append(_problem(tree, path, _message(fault, tree), at_key=at_key))
    # A misspelt key is one fault, not an unknown key and a missing one.
    problems += [problem for path, problem in missing if path not in renamed]
    return problems


def _only_seems_short(error: ErrorDetails) -> bool:
    """Say whether a list is called short because pydantic does not count items that are wrong themselves."""
    value, least = error["input"], error.get("ctx", {}).get("min_length", 0)
    return error["type"] == "too_short" and isinstance(value, list) and len(value) >= least


def _problem(tree: MergedTree, path: ValuePath, message: str, *, at_key: bool) -> Problem:
    file, line = tree.position(path, key=at_key)
    return Problem(file, line, path, message)


def _without_vain_branches(faults: Sequence[_Fault], depth: int = 0) -> list[_Fault]:
    """Keep of each union only what helps.

    pydantic reports the faults of every branch. Where the value has the form of one branch, its faults are
    the ones meant; where it has the form of none, one fault stands for all.
    """
    kept: list[_Fault] = []
    unions: dict[ValuePath, list[_Fault]] = {}
    for fault in faults:
        if len(fault.place.branches) > depth:
            branch = fault.place.branches[depth]
            if branch.path not in unions:
                unions[branch.path] = []
            unions[branch.path].append(fault)
        else:
            kept.append(fault)
    for path, members in unions.items():
        by_label: dict[str, list[_Fault]] = {}
        for fault in members:
            by_label.setdefault(fault.place.branches[depth].label, []).append(fault)
        fitting = {label: own for label, own in by_label.items() if not any(_is_wrong_form(f, path) for f in own)}
        if fitting:
            kept += _without_vain_branches(min(fitting.values(), key=_distance), depth + 1)
        else:
            kept.append(_one_for_all(members[0], members[0].place.branches[depth]))
    return kept


def _distance(faults: Sequence[_Fault]) -> tuple[int, int]:
    """Say how far a value is from a branch: keys that mean nothing to the branch weigh most."""
    strange = [
        fault
        for fault in faults
        if fault.kind == "extra_forbidden"
        and nearest(str(fault.place.path[-1]), known_names(fault.place.parent_options)) is None
    ]
    return len(strange), len(faults)


def _is_wrong_form(fault: _Fault, union: ValuePath) -> bool:
    """Say whether a branch was refused for the form of the value as a whole."""
    wrong = fault.kind.endswith("_type") or fault.kind in {
        "literal_error",
        "int_from_float",
        "none_required",
        "enum",
    }
    return wrong and fault.place.path == union


def _one_for_all(fault: _Fault, branch: Branch) -> _Fault:
    place = fault.place
    whole = Place(branch.path, branch.options, place.parent_options, place.description)
    return _Fault({**fault.error, "type": "model_type"}, whole)


def _unknown_key(place: Place, walk: SchemaWalk) -> tuple[str, str | None]:
    """Say what was meant by a key that the model does not have; also the plain name, if there is one."""
    name = str(place.path[-1]) if place.path else ""
    known = known_names(place.parent_options)
    meant = nearest(name, known)
    if meant:
        return f"unknown key; did you mean `{meant}`?", meant
    for outer in known:
        inner = [
            child
            for option in place.parent_options
            for child in walk.options(option.schema["properties"].get(outer, {}))
            if name in child.schema.get("properties", {})
        ]
        if inner:
            return f"unknown key; did you mean `{outer}.{name}`?", None
    if not known:
        return "unknown key", None
    shown = ", ".join(known[:_MOST_NAMES_SHOWN]) + (", ..." if len(known) > _MOST_NAMES_SHOWN else "")
    return f"unknown key; expected one of {shown}", None


def _missing(place: Place) -> str:
    expected = expected_words(place.options)
    description = place.description.removesuffix(".")
    return f"is required: {description} ({expected})" if description else f"is required: {expected}"


def _message(fault: _Fault, tree: MergedTree) -> str:
    place, error = fault.place, fault.error
    context: dict[str, Any] = error.get("ctx", {})
    if fault.kind in _OWN_WORDS:
        return str(context.get("error", error["msg"]))
    if fault.kind not in _PYDANTIC_TYPES:
        return error["msg"]
    if fault.kind in {"union_tag_invalid", "union_tag_not_found"}:
        return _tag_message(fault.kind, place, context)
    if place.is_key:
        key = quoted(str(place.path[-1]))
        return f"the name {key} is refused; expected {expected_words(place.options)}"
    node = tree.node_at(place.path)
    plain_text = node.plain_text if node else None
    value: Value = error["input"]
    text = f"expected {expected_words(place.options)}"
    if fault.kind == "string_pattern_mismatch" and place.description:
        text += f" ({place.description.removesuffix('.')})"
    # What stands in the file says more than what was read: 10.10 was read as 10.1.
    written = plain_text if plain_text and isinstance(value, int | float) else found_words(value)
    text += f", found {written}"
    name = next((part for part in reversed(place.path) if isinstance(part, str)), "")
    advice = hint(value, plain_text, name, place.options)
    return f"{text}; {advice}" if advice else text


def _tag_message(kind: str, place: Place, context: dict[str, Any]) -> str:
    key = str(context.get("discriminator", "")).strip("'")
    tags = _tags(place.options, key)
    listed = ", ".join(choice_words(tag) for tag in tags)
    if kind == "union_tag_not_found":
        return f"{key} is required: one of {listed}"
    tag = str(context.get("tag", ""))
    meant = nearest(tag, tags)
    advice = f"; did you mean {meant}?" if meant else ""
    return f"expected {dotted((key,))} to be one of {listed}, found {quoted(tag)}{advice}"


def _tags(options: Sequence[Option], key: str) -> list[str]:
    found: list[str] = []
    for option in options:
        own = option.schema.get("properties", {}).get(key, {})
        found += [str(tag) for tag in ((own["const"],) if "const" in own else own.get("enum", ()))]
    return found
