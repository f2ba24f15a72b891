"""Say a YAML parser's complaint in words that name the cure."""

from __future__ import annotations

import re

import yaml

from deployer.inventory.problems import quoted

_CANNOT_START = re.compile(r"found character (?P<char>.+) that cannot start any token")


def syntax_words(error: yaml.YAMLError, text: str) -> tuple[int, str]:
    """Translate a syntax error.

    Args:
        error: What PyYAML raised.
        text: The text that was parsed.

    Returns:
        Line of the fault, from 1 (0 if unknown), and what is wrong and expected.
    """
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return line, f"character {_code_point(error.character)} is not allowed in YAML; remove it"
    if not isinstance(error, yaml.MarkedYAMLError):
        return 0, "is not valid YAML"
    mark, opened = error.problem_mark, error.context_mark
    line = mark.line + 1 if mark else 0
    opened_line = opened.line + 1 if opened else line
    problem, context = error.problem or "", error.context or ""
    unfinished = "end of stream" in problem or "document separator" in problem

    if "quoted scalar" in context and unfinished:
        return opened_line, "a quote is opened here and never closed"
    if "flow sequence" in context:
        return line, f'the list opened with "[" in line {opened_line} goes on wrongly; expected "," or "]"'
    if "flow mapping" in context:
        return (
            line,
            f'the mapping opened with "{{" in line {opened_line} goes on wrongly; expected "," or "}}"',
        )
    found = _CANNOT_START.search(problem)
    if found and "t" in found["char"] and "\\" in found["char"]:
        return line, "a tab stands where YAML takes only spaces; replace it with spaces"
    if found:
        return line, f"text that starts with {found['char']} must stand in quotes"
    if "mapping values are not allowed" in problem:
        return (
            line,
            'a ":" is not expected here; put text that holds ": " in quotes, or check the indentation',
        )
    if "could not find expected ':'" in problem:
        return opened_line, 'a ":" is missing after this key; expected "key: value"'
    if "expected <block end>" in problem or "expected <document start>" in problem:
        return line, "the indentation does not match the lines above; keys of one mapping start in one column"
    if "undefined alias" in problem or "alias" in context or "anchor" in context:
        return line, "aliases and anchors are not supported; write the value out"
    if "tag" in context or "tag" in problem:
        return line, "tags are not supported; write the plain value"
    return line, f"is not valid YAML: {problem or context}"


def _code_point(character: object) -> str:
    if isinstance(character, str):
        return f"U+{ord(character):04X}"
    return f"0x{character:02X}" if isinstance(character, int) else quoted(str(character))
