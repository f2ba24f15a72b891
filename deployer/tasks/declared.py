"""Tasks, declared without being imported: a list or a help text pays for nothing that only a running task needs.

What a list shows stands in the task's own source: its name, its options with their defaults, what it says of itself.
So it is read from there, and the module is imported once one of its tasks runs.
"""

from __future__ import annotations

import ast
import re
from functools import partial
from importlib import import_module
from inspect import Parameter, Signature
from pathlib import Path
from typing import Any

from invoke.exceptions import Exit

from deployer.tasks.options import as_task

#: Exit code after Ctrl-C: what a shell says of a program that SIGINT ended.
INTERRUPTED = 130
#: What marks a task in a source, and what is read of it: its head with what it says of itself. Each command reads all
#: tasks, so the rest is not parsed.
_MARK = re.compile(r"^@task$", re.MULTILINE)
_HEAD = re.compile(r'^@task\n(def .*?:(?:  #[^\n]*)?\n    """.*?"""\n)', re.MULTILINE | re.DOTALL)


def declared(module: str) -> dict[str, Any]:
    """Give the tasks of a module of this package, by name, in their order.

    Raises:
        ValueError: A default is more than a literal, or a task is not written as tasks are: without a docstring, say.
    """
    source = Path(__file__).with_name(f"{module}.py").read_text(encoding="utf-8")
    heads = [ast.parse(head).body[0] for head in _HEAD.findall(source)]
    found = {head.name: _task(f"{__package__}.{module}", head) for head in heads if isinstance(head, ast.FunctionDef)}
    if len(found) != len(_MARK.findall(source)):
        raise ValueError(f"a task of {module} cannot be read")
    return found


def _task(module: str, node: ast.FunctionDef) -> Any:
    def run(*arguments: Any, **options: Any) -> None:
        try:
            found = getattr(import_module(module), node.name)
        except KeyboardInterrupt:  # invoke's own answer to it would be 1, a fault of ours
            raise Exit(code=INTERRUPTED) from None
        found(*arguments, **options)

    run.__name__ = run.__qualname__ = node.name
    run.__doc__ = ast.get_docstring(node)
    run.__dict__["__signature__"] = _signature(node)
    return as_task(run)


def _signature(node: ast.FunctionDef) -> Signature:
    """Read a task's signature: the context, and options by name alone."""
    given = [Parameter(one.arg, Parameter.POSITIONAL_OR_KEYWORD) for one in node.args.args]
    option = partial(Parameter, kind=Parameter.KEYWORD_ONLY)
    options = [
        option(one.arg, default=Parameter.empty if default is None else ast.literal_eval(default))
        for one, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
    ]
    return Signature([*given, *options])
