"""Rules of the house about single modules: size, name, docstring, tasks that nobody holds.

Owns: the rules, as functions of a path or a source text, so that broken modules can be made up (test_rules.py).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import PurePath

MOST_LINES = 500
"""A file that becomes the product is the failure seen in every peer; the habit is 100 to 400 lines."""

NAMELESS = ("util", "utils", "helper", "helpers", "manager", "misc", "common")

TASK_STARTERS = frozenset({"create_task", "ensure_future"})


def objections_to_name(path: PurePath) -> Iterator[str]:
    """Names that say nothing about what a module owns."""
    for word in path.stem.lower().split("_"):
        if word in NAMELESS:
            yield f"{path}: say what it owns instead of {word!r}"


def objections_to_source(path: PurePath, source: str) -> Iterator[str]:
    """Too long, without a docstring, or starting tasks that nobody holds."""
    lines = source.count("\n")
    if lines > MOST_LINES:
        yield f"{path}: {lines} lines; more than {MOST_LINES} are two modules"
    tree = ast.parse(source)
    if source.strip() and not ast.get_docstring(tree):  # an empty __init__.py owns nothing
        yield f"{path}: no docstring that says what it owns"
    for line in lost_tasks(tree):
        yield f"{path}:{line}: the event loop holds tasks weakly; keep the result, or it may vanish"


def lost_tasks(tree: ast.AST) -> Iterator[int]:
    """Lines where create_task or ensure_future is called and its result dropped; a TaskGroup holds its tasks itself."""
    for node in ast.walk(tree):
        match node:
            case ast.Expr(value=ast.Call(func=ast.Name(id=name))) if name in TASK_STARTERS:
                yield node.lineno
            case ast.Expr(value=ast.Call(func=ast.Attribute(attr=name, value=owner))) if name in TASK_STARTERS:
                if "group" not in ast.unparse(owner).lower():
                    yield node.lineno
            case ast.Assign(
                targets=[ast.Name(id="_")], value=ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name))
            ) if name in TASK_STARTERS:
                yield node.lineno
            case ast.Lambda(body=ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name))) if name in TASK_STARTERS:
                yield node.lineno
