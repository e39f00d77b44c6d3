"""Changes of a line that put windows and padding where they belong."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from fastconv.dropin.check.repair.source import Edit, plain_name
from fastconv.dropin.check.repair.surroundings import Surroundings, index_parts, is_number

Edits = list[Edit]


def together(edits: Edits) -> Iterator[Edits]:
    """Give the edits of each line at once, then those of lines with several one by one."""
    lines: dict[int, Edits] = {}
    for edit in dict.fromkeys(edits):
        lines.setdefault(edit.line, []).append(edit)
    yield from lines.values()
    for found in lines.values():
        if len(found) > 1:
            yield from ([edit] for edit in found)


def multiply_by_stride(at: Surroundings) -> Iterator[Edits]:
    """Put ``i * stride`` in the place of ``i`` where a window begins, and ends."""
    for stride in at.strides:
        edits: Edits = []
        for node in at.nodes:
            for start, end in _ranges(node):
                if plain_name(start) in at.steps:
                    edits += _multiplied(at, start, stride) + _uses(at, end, plain_name(start), stride)
            if isinstance(node, ast.Subscript):
                for part in index_parts(node):
                    if isinstance(part, ast.BinOp) and plain_name(part.left) in at.steps:
                        edits += _multiplied(at, part.left, stride)
            if isinstance(node, ast.Call):
                edits += [edit for each in node.args if is_number(each, 1) for edit in at.replaced(each, stride)]
            if isinstance(node, ast.Assign) and plain_name(node.value) in at.steps:
                edits += _multiplied(at, node.value, stride)
        yield from together(edits)


def _ranges(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Give begin and end of a slice that has both."""
    if isinstance(node, ast.Slice) and node.lower is not None and node.upper is not None:
        yield node.lower, node.upper
    elif isinstance(node, ast.Call) and plain_name(node.func) == "slice" and len(node.args) > 1:
        yield node.args[0], node.args[1]


def _multiplied(at: Surroundings, node: ast.expr, stride: str) -> Edits:
    return at.replaced(node, f"{plain_name(node)} * {stride}")


def _uses(at: Surroundings, node: ast.expr, name: str, stride: str) -> Edits:
    return [edit for part in ast.walk(node) if plain_name(part) == name for edit in _multiplied(at, part, stride)]  # type: ignore[arg-type]


def another_stride(at: Surroundings) -> Iterator[Edits]:
    """Put a stride in the place of what a position is multiplied by."""
    for stride in at.strides:
        edits: Edits = []
        for node in at.of(ast.BinOp):
            assert isinstance(node, ast.BinOp)
            if isinstance(node.op, ast.Mult):
                for step, other in ((node.left, node.right), (node.right, node.left)):
                    if plain_name(step) in at.steps and at.text(other) != stride:
                        edits += at.replaced(other, stride)
        yield from together(edits)


def dilate(at: Surroundings) -> Iterator[Edits]:
    """Put ``i : i + d * (k - 1) + 1 : d`` in the place of ``i : i + k``."""
    for dilation in at.dilations:
        edits: Edits = []
        for node in at.of(ast.Slice):
            assert isinstance(node, ast.Slice)
            if node.step is None and isinstance(node.upper, ast.BinOp) and node.lower is not None:
                size = at.text(node.upper.right)
                edits += at.replaced(node.upper.right, f"{dilation} * ({size} - 1) + 1 : {dilation}")
        yield from together(edits)


def pad_otherwise(at: Surroundings) -> Iterator[Edits]:
    """Pad both sides, by zero, and maxima by minus infinity."""
    for node in at.nodes:
        if isinstance(node, ast.Tuple) and len(node.elts) == 2:
            yield from _both_sides(at, node)
        elif isinstance(node, ast.keyword) and node.arg == "mode":
            yield at.replaced(node.value, '"constant"')
        elif isinstance(node, ast.Call) and at.text(node.func).endswith("pad") and len(node.args) == 3:
            yield at.replaced(node.args[2], '"constant"')
        elif isinstance(node, ast.keyword) and node.arg == "constant_values":
            yield at.replaced(node.value, "0")


def _both_sides(at: Surroundings, node: ast.Tuple) -> Iterator[Edits]:
    one, other = node.elts
    amount = other if is_number(one, 0) else one
    if is_number(one, 0) != is_number(other, 0):
        size = amount.right if isinstance(amount, ast.BinOp) else amount
        line = [
            edit
            for twin in at.of(ast.Tuple)
            if at.text(twin) == at.text(node)
            for edit in at.replaced(twin, f"({at.text(size)}, {at.text(size)})")
        ]
        yield from together(line)


def pad_by_minus_infinity(at: Surroundings) -> Iterator[Edits]:
    """Fill what is around a maximum with minus infinity."""
    for node in at.nodes:
        if isinstance(node, ast.keyword) and isinstance(node.value, (ast.Constant, ast.UnaryOp)):
            yield at.replaced(node.value, "-np.inf")
        elif isinstance(node, ast.Call) and at.text(node.func).endswith("pad") and node.args:
            last = [*node.args, *(keyword.value for keyword in node.keywords)][-1]
            yield at.after(last, ", constant_values=-np.inf")
        elif isinstance(node, ast.Call) and at.text(node.func) == "np.zeros" and node.args:
            yield at.replaced(node, f"np.full({at.text(node.args[0])}, -np.inf)")


def cut_by_size(at: Surroundings) -> Iterator[Edits]:
    """Put ``pad : pad + H`` in the place of ``pad:-pad``, which is empty without padding."""
    for node in at.of(ast.Subscript):
        if isinstance(node, ast.Subscript) and any(
            isinstance(part, ast.Slice) and isinstance(part.upper, ast.UnaryOp) for part in index_parts(node)
        ):
            yield from _cut_again(at, node)


def cut_padding(at: Surroundings) -> Iterator[Edits]:
    """Cut the padding off a gradient, from the slices that are there or from a name."""
    for node in at.of(ast.Subscript):
        assert isinstance(node, ast.Subscript)
        yield from _cut_again(at, node)
    for node in at.nodes:
        for value in _results(node):
            if plain_name(value) and plain_name(value) not in at.loops:
                for padding in at.paddings:
                    for before in ("..., ", ":, ", ":, :, ", ""):
                        yield at.after(value, f"[{before}{_inner(at, value, padding, before)}]")


def _results(node: ast.AST) -> Iterator[ast.expr]:
    """Give what a statement returns or assigns, one by one."""
    if isinstance(node, (ast.Return, ast.Assign)) and node.value is not None:
        yield from node.value.elts if isinstance(node.value, ast.Tuple) else [node.value]


def _inner(at: Surroundings, value: ast.expr, padding: str, before: str) -> str:
    """Return the slices of both axes without the padding."""
    if {"H", "W"} <= at.names and before == "..., ":
        return f"{padding} : {padding} + H, {padding} : {padding} + W"
    name = at.text(value)
    axes = (-2, -1) if before.startswith("...") else (before.count(":"), before.count(":") + 1)
    return ", ".join(f"{padding} : {name}.shape[{axis}] - {padding}" for axis in axes)


def _cut_again(at: Surroundings, node: ast.Subscript) -> Iterator[Edits]:
    parts, base = index_parts(node), at.text(node.value)
    slices = [
        (axis, part) for axis, part in enumerate(parts) if isinstance(part, ast.Slice) and (part.lower or part.upper)
    ]
    ends = [axis if not any(at.text(part) == "..." for part in parts) else axis - len(parts) for axis, _ in slices]
    for padding in at.paddings:
        named, measured = [], []
        for end, (_, part), size in zip(ends, slices, ("H", "W")):
            upper = at.text(part.upper) if part.upper is not None and part.lower is None else size
            named += at.replaced(part, f"{padding} : {padding} + {upper}")
            measured += at.replaced(part, f"{padding} : {base}.shape[{end}] - {padding}")
        if len(slices) == 2:
            yield named
            yield measured
