"""What a user sees of an error is one traceback: an error that quotes another, which was expected, hides it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import fastconv

PACKAGE = Path(fastconv.__file__).parent
# Whose cause is that of somebody's code, or a fault of ours: it stays. So does what any exception may be the cause of.
KEPT = {"dropin/example/black_box.py", "onnx/walking.py"}


def chained(source: str) -> Iterator[int]:
    """Lines on which an error is raised from another one of a kind that was expected."""
    for handler in (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ExceptHandler)):
        if handler.type is not None and "Exception" in {
            each.id for each in ast.walk(handler.type) if isinstance(each, ast.Name)
        }:
            continue
        for node in ast.walk(handler):
            if isinstance(node, ast.Raise) and isinstance(node.cause, ast.Name):
                yield node.lineno


def test_expected_errors_are_not_chained() -> None:
    files = {path.relative_to(PACKAGE).as_posix(): path for path in PACKAGE.rglob("*.py")}
    found = {name for name, path in files.items() if [*chained(path.read_text(encoding="utf-8"))]}
    assert found == KEPT


@pytest.mark.parametrize(
    ("handler", "error", "lines"),
    [
        ("ValueError as error", "error", [4]),
        ("(ValueError, TypeError) as error", "error", [4]),
        ("ValueError", "None", []),
        ("Exception as error", "error", []),
    ],
)
def test_a_chain_is_found(handler: str, error: str, lines: list[int]) -> None:
    assert [*chained(f"try:\n    f()\nexcept {handler}:\n    raise KeyError from {error}\n")] == lines
