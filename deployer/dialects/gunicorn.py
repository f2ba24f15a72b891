"""gunicorn.conf.py: Python that is read and never run; what is no literal has no value here."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from deployer.dialects.statement import DEEPEST_LEVELS, DialectError, Statement

#: In the context of a name that the file itself reads again: it may be no setting but a variable.
VARIABLE = "variable"


def read(text: str) -> tuple[Statement, ...]:
    """Read what the module would define at its top level.

    Raises:
        DialectError: It is not Python.
    """
    try:
        # a lone carriage return would be a line of its own to Python, and to nobody who reads the message
        module = ast.parse(text.replace("\r\n", "\n").replace("\r", " ").replace("\f", " "))
        used = {node.id for node in ast.walk(module) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    except SyntaxError as error:
        raise DialectError(f"this is not Python: {error.msg}", line=error.lineno or 0) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise DialectError("this is not Python that can be read") from error
    return tuple(
        Statement(name, value, line, (*context, VARIABLE) if name in used else context)
        for name, value, line, context in _defined(module.body, ())
    )


def _defined(
    body: Sequence[ast.stmt], context: tuple[str, ...]
) -> Iterator[tuple[str, str | None, int, tuple[str, ...]]]:
    if len(context) > DEEPEST_LEVELS:
        raise DialectError(f"statements are nested more than {DEEPEST_LEVELS} levels deep", line=body[0].lineno)
    for node in body:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                yield from _assigned(target, node.value, context)
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            yield from _assigned(node.target, node.value, context)
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            yield node.target.id, None, node.lineno, context
        elif isinstance(node, ast.FunctionDef):
            yield node.name, None, node.lineno, (*context, "def")
        else:
            yield from _within(node, context)


def _within(node: ast.stmt, context: tuple[str, ...]) -> Iterator[tuple[str, str | None, int, tuple[str, ...]]]:
    within = (*context, type(node).__name__.lower())
    if isinstance(node, (ast.If, ast.For, ast.While, ast.Try)):
        yield from _defined(node.body, within)
        yield from _defined(node.orelse, within)
    if isinstance(node, ast.With):
        yield from _defined(node.body, within)
    if isinstance(node, ast.Try):
        yield from _defined(node.finalbody, within)
        for handler in node.handlers:
            yield from _defined(handler.body, within)


def _assigned(
    target: ast.expr, value: ast.expr, context: tuple[str, ...]
) -> Iterator[tuple[str, str | None, int, tuple[str, ...]]]:
    if isinstance(target, ast.Name):
        yield target.id, _literal(value), target.lineno, context
    elif isinstance(target, (ast.Tuple, ast.List)):
        for one in target.elts:
            if isinstance(one, ast.Name):
                yield one.id, None, one.lineno, context


def _literal(value: ast.expr) -> str | None:
    try:
        return str(ast.literal_eval(value))
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
