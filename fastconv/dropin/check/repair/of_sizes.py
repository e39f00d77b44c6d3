"""Changes of a line that compute another size, or exchange height and width."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import combinations, product

from fastconv.dropin.check.repair.of_windows import Edits, together
from fastconv.dropin.check.repair.source import Edit, plain_name
from fastconv.dropin.check.repair.surroundings import Surroundings, is_number

_DOWN = {"np.ceil": "np.floor", "math.ceil": "math.floor", "ceil": "int", "round": "int"}
_AXES = {0: (1,), 1: (0, 2), 2: (1, 3), 3: (2,), -1: (-2,), -2: (-1, -3), -3: (-2,)}
_MOST = 9  # names of a line that are exchanged by twos


def _quotients(at: Surroundings) -> Iterator[ast.BinOp]:
    """Give every division by a stride."""
    for node in at.of(ast.BinOp):
        divides = isinstance(node, ast.BinOp) and isinstance(node.op, (ast.FloorDiv, ast.Div))
        if isinstance(node, ast.BinOp) and divides and at.text(node.right) in at.strides:
            yield node


def round_down(at: Surroundings) -> Iterator[Edits]:
    """Round down what is rounded up."""
    for node in at.nodes:
        if isinstance(node, ast.Call) and at.text(node.func) in _DOWN:
            yield at.replaced(node.func, _DOWN[at.text(node.func)])
        if isinstance(node, (ast.UnaryOp, ast.BinOp)):
            yield from _negated(at, node)


def _negated(at: Surroundings, node: ast.AST) -> Iterator[Edits]:
    """Turn ``-(-a // b)`` round."""
    inner = node.operand if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) else None
    if isinstance(inner, ast.BinOp) and isinstance(inner.left, ast.UnaryOp) and isinstance(inner.op, ast.FloorDiv):
        yield at.replaced(node, f"{at.text(inner.left)[1:]} // {at.text(inner.right)}")


def divide_whole(at: Surroundings) -> Iterator[Edits]:
    """Divide integers by ``//``."""
    edits = []
    for node in _quotients(at):
        if isinstance(node.op, ast.Div) and node.left.end_lineno == node.right.lineno:
            left, right = at.text(node.left), at.text(node.right)
            whole = at.text(node)
            edits += at.replaced(node, whole.replace("/", "//", 1) if whole.count("/") == 1 else f"({left}) // {right}")
    yield from together(edits)


def add_one(at: Surroundings) -> Iterator[Edits]:
    """Add 1 to a quotient."""
    edits = []
    for node in _quotients(at):
        parent = at.parents.get(id(node))
        if not (isinstance(parent, ast.BinOp) and any(is_number(side, 1) for side in (parent.left, parent.right))):
            edits += at.after(node, " + 1")
    yield from together(edits)


def subtract_one(at: Surroundings) -> Iterator[Edits]:
    """Take 1 from a literal, or leave it out."""
    edits = []
    for node in at.of(ast.BinOp):
        assert isinstance(node, ast.BinOp)
        for number, other in ((node.left, node.right), (node.right, node.left)):
            if isinstance(node.op, ast.Add) and is_number(number, 2):
                edits += at.replaced(number, "1")
            elif isinstance(node.op, ast.Add) and is_number(number, 1):
                edits += at.replaced(node, at.text(other))
    yield from together(edits)


def count_padding(at: Surroundings) -> Iterator[Edits]:
    """Count the padding twice in what is divided by the stride."""
    for padding in at.paddings:
        twice, again = list[Edit](), list[Edit]()
        for node in _quotients(at):
            again += at.after(node.left, f" + 2 * {padding}")
            for part in ast.walk(node.left):
                if plain_name(part) == padding:
                    twice += at.replaced(part, f"2 * {padding}")
        yield from together(twice)
        yield from together(again)


def divide_by_stride(at: Surroundings) -> Iterator[Edits]:
    """Divide a size by the stride, before 1 is added."""
    for stride in at.strides:
        edits = []
        for node in at.of(ast.BinOp):
            assert isinstance(node, ast.BinOp)
            if isinstance(node.op, ast.Add) and is_number(node.right, 1) and isinstance(node.left, ast.BinOp):
                edits += at.replaced(node.left, f"({at.text(node.left)}) // {stride}")
        yield from together(edits)


def exchange_axes(at: Surroundings) -> Iterator[Edits]:
    """Put a name of the other axis in the place of one, or of two of a line."""
    lines: dict[int, list[tuple[ast.AST, list[str]]]] = {}
    for node in at.nodes:
        if isinstance(getattr(node, "ctx", None), ast.Store):
            continue
        others = at.exchanged(plain_name(node)) if plain_name(node) else _other_axes(at, node)
        if others:
            lines.setdefault(getattr(node, "lineno", 0), []).append((node, others))
    for count in (1, 2):
        for found in lines.values():
            for chosen in combinations(found[:_MOST] if count > 1 else found, count):
                for texts in product(*(others for _, others in chosen)):
                    yield [edit for (node, _), text in zip(chosen, texts) for edit in at.replaced(node, text)]
    for node in at.of(ast.Call):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in ("transpose", "swapaxes")
        ):
            yield at.replaced(node, at.text(node.func.value))
    for node in at.of(ast.Attribute):
        if isinstance(node, ast.Attribute) and node.attr == "T":
            yield at.replaced(node, at.text(node.value))


def _other_axes(at: Surroundings, node: ast.AST) -> list[str]:
    """Return the neighbours of a number that is the index of a shape."""
    parent = at.parents.get(id(node))
    if isinstance(parent, ast.UnaryOp):
        return []
    if isinstance(node, ast.UnaryOp) and isinstance(node.operand, ast.Constant):
        value = -node.operand.value if isinstance(node.operand.value, int) else 0
    elif isinstance(node, ast.Constant) and type(node.value) is int:
        value = node.value
    else:
        return []
    shape = isinstance(parent, ast.Subscript) and at.text(parent.value).endswith("shape")
    return [str(axis) for axis in _AXES.get(value, ())] if shape else []
