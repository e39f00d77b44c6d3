"""Changes of a line that sum otherwise: signs, factors, indices, what is assigned and what is added."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from itertools import combinations

from fastconv.dropin.check.repair.of_windows import Edits, together
from fastconv.dropin.check.repair.source import Edit, plain_name
from fastconv.dropin.check.repair.surroundings import Surroundings, index_parts, is_number

_STORED = ("astype", "round", "clip")


def add(at: Surroundings) -> Iterator[Edits]:
    """Put ``+=`` in the place of ``=`` inside loops."""
    inside = {id(part) for loop in at.of(ast.For) for part in ast.walk(loop)}
    for node in at.of(ast.Assign):
        assert isinstance(node, ast.Assign)
        target = node.targets[0]
        if id(node) in inside and isinstance(target, (ast.Subscript, ast.Attribute, ast.Name)):
            yield _sign(at, target, node.value, "=", "+=")


def assign(at: Surroundings) -> Iterator[Edits]:
    """Put ``=`` in the place of ``+=``."""
    for node in at.of(ast.AugAssign):
        assert isinstance(node, ast.AugAssign)
        if isinstance(node.op, ast.Add):
            yield _sign(at, node.target, node.value, "+=", "=")


def _sign(at: Surroundings, target: ast.expr, value: ast.expr, old: str, new: str) -> Edits:
    """Return the edit of the sign between both sides of an assignment."""
    found = at.source.between(target, value)
    return [] if found is None else [found._replace(text=found.text.replace(old, new, 1))]


def new_array(at: Surroundings) -> Iterator[Edits]:
    """Put ``x = x - ...`` in the place of ``x -= ...``."""
    signs: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
    for node in at.of(ast.AugAssign):
        assert isinstance(node, ast.AugAssign)
        name = plain_name(node.target)
        if name and type(node.op) in signs:
            value = at.text(node.value)
            value = f"({value})" if isinstance(node.value, ast.BinOp) else value
            yield at.replaced(node, f"{name} = {name} {signs[type(node.op)]} {value}")


def turn_kernel(at: Surroundings) -> Iterator[Edits]:
    """Leave out what flips a kernel, or flip the kernel."""
    edits: Edits = []
    for node in at.nodes:
        if isinstance(node, ast.Subscript):
            parts = [at.text(part) for part in index_parts(node)]
            straight = [":" if part.replace(" ", "") == "::-1" else part for part in parts]
            edits += at.indexed(node, straight) if straight != parts else []
        elif isinstance(node, ast.Call) and at.text(node.func).split(".")[-1] in ("rot90", "flip", "flipud", "fliplr"):
            edits += at.replaced(node, at.text(node.args[0])) if node.args else []
        elif isinstance(node, ast.Attribute) and node.attr == "convolve2d":
            edits += at.replaced(node, f"{at.text(node.value)}.correlate2d")
    yield from together(edits)
    for node in at.nodes:
        if (
            isinstance(node, ast.expr)
            and at.is_weight(node)
            and not isinstance(at.parents.get(id(node)), ast.Subscript)
        ):
            for turned in ("[..., ::-1, ::-1]", "[::-1, ::-1]"):
                yield at.after(node, turned)


def bias_outside(at: Surroundings) -> Iterator[Edits]:
    """Take the bias out of a sum."""
    for node in at.of(ast.Call):
        assert isinstance(node, ast.Call)
        method = isinstance(node.func, ast.Attribute) and node.func.attr == "sum" and not node.args
        inside = node.func.value if method and isinstance(node.func, ast.Attribute) else next(iter(node.args), node)
        if isinstance(inside, ast.BinOp) and isinstance(inside.op, ast.Add) and at.is_bias(inside):
            bias, rest = (inside.left, inside.right) if at.is_bias(inside.left) else (inside.right, inside.left)
            summed = f"({at.text(rest)}).sum()" if method else f"{at.text(node.func)}({at.text(rest)})"
            yield at.replaced(node, f"{summed} + {at.text(bias)}")


def bias_once(at: Surroundings) -> Iterator[Edits]:
    """Leave a bias out, or add what is subtracted."""
    for node in at.of(ast.BinOp):
        assert isinstance(node, ast.BinOp)
        if at.is_bias(node.right) and isinstance(node.op, ast.Add):
            yield at.replaced(node, at.text(node.left))
        if at.is_bias(node.right) and isinstance(node.op, ast.Sub):
            yield at.replaced(node, f"{at.text(node.left)} + {at.text(node.right)}")
        if at.is_bias(node.right) and isinstance(node.op, ast.Mult) and is_number(node.left, 2):
            yield at.replaced(node, at.text(node.right))


def add_bias(at: Surroundings) -> Iterator[Edits]:
    """Add the bias to what is stored or returned."""
    arguments = [each.arg for each in at.function.args.args]
    for bias in dict.fromkeys([*at.biases, *(name for name in arguments if name in ("b", "bias", "biases"))]):
        for node in at.nodes:
            if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Subscript):
                continue
            for index in [f"[{name}]" for name in reversed(at.loops)] + ["", "[..., 0]", "[:, None, None]"]:
                yield at.after(node.value, f" + {bias}{index}")


def sum_for_mean(at: Surroundings) -> Iterator[Edits]:
    """Sum, where a mean is taken."""
    yield from _renamed(at, {"mean": "sum", "average": "sum"})


def mean_for_sum(at: Surroundings) -> Iterator[Edits]:
    """Take the mean where a sum is; or divide by the size of the window."""
    yield from _renamed(at, {"sum": "mean"})
    for node in at.of(ast.Assign, ast.AugAssign):
        if isinstance(node, (ast.Assign, ast.AugAssign)) and not isinstance(node.value, ast.Tuple):
            for size in _products(at):
                yield at.after(node.value, f" / {size}")


def maximum(at: Surroundings) -> Iterator[Edits]:
    """Take the maximum, where something else is taken."""
    yield from _renamed(at, {"min": "max", "amin": "max", "argmin": "argmax", "mean": "max", "minimum": "maximum"})


def mean(at: Surroundings) -> Iterator[Edits]:
    """Take the mean, where the maximum is taken."""
    yield from _renamed(at, {"max": "mean", "amax": "mean"})


def _renamed(at: Surroundings, names: dict[str, str]) -> Iterator[Edits]:
    for node in at.of(ast.Call):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in names:
            yield at.replaced(node.func, f"{at.text(node.func.value)}.{names[node.func.attr]}")


def size_of_window(at: Surroundings) -> Iterator[Edits]:
    """Divide by the product of both sizes, where it is by something else."""
    for node in at.of(ast.BinOp):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and plain_name(node.right):
            yield at.replaced(node.right, f"({plain_name(node.right)} * {plain_name(node.right)})")
    for size in _products(at):
        for node in at.of(ast.BinOp):
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
                yield at.replaced(node.right, size)
            elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow) and is_number(node.right, 2):
                yield at.replaced(node, size)


def _products(at: Surroundings) -> list[str]:
    """Return the products of two sizes that belong together."""
    known = sorted(at.names | at.source.attributes)
    pairs = (tuple(sorted((name, other))) for name in known for other in at.exchanged(name))
    return [f"({one} * {other})" for one, other in dict.fromkeys(pairs)]


def read_all(at: Surroundings) -> Iterator[Edits]:
    """Put a loop, or everything, in the place of an index that is a number."""
    numbers = [
        (node, part)
        for node in at.of(ast.Subscript)
        if isinstance(node, ast.Subscript) and not at.text(node.value).endswith("shape")
        for part in index_parts(node)
        if is_number(part, 0) or at.text(part) == "-1"
    ]
    nodes = list(dict.fromkeys(node for node, _ in numbers))
    for index in [*at.loops, ":"]:
        edits = [
            edit
            for node in nodes
            for edit in at.indexed(
                node, [index if (node, part) in numbers else at.text(part) for part in index_parts(node)]
            )
        ]
        yield from together(edits)
        yield from (list(pair) for pair in combinations(edits, 2))
        yield from (at.replaced(part, index) for _, part in numbers)


def loop_over_all(at: Surroundings) -> Iterator[Edits]:
    """Let a loop begin at 0 and go on to the end."""
    for node in at.of(ast.Call):
        if isinstance(node, ast.Call) and plain_name(node.func) == "range" and node.args:
            end = node.args[min(1, len(node.args) - 1)]
            if isinstance(end, ast.BinOp):
                yield at.replaced(end, at.text(end.left))
            if len(node.args) == 2:
                yield at.replaced(node, f"range({at.text(end)})")


def undivided(at: Surroundings) -> Iterator[Edits]:
    """Leave out a divisor."""
    edits = []
    for node in at.of(ast.BinOp):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            edits += at.replaced(node, at.text(node.left))
    yield from together(edits)


def leave_out(at: Surroundings) -> Iterator[Edits]:
    """Leave out a statement that changes what is there."""
    for node in at.of(ast.AugAssign, ast.Expr):
        if isinstance(node, (ast.AugAssign, ast.Expr)) and node.lineno == node.end_lineno:
            yield [Edit(node.lineno, node.col_offset, node.end_col_offset or 0, "")]


def bare(at: Surroundings) -> Iterator[Edits]:
    """Leave out what is done to a value: an activation, a rounding, a dtype."""
    for node in at.of(ast.Call):
        assert isinstance(node, ast.Call)
        name = at.text(node.func)
        if isinstance(node.func, ast.Attribute) and node.func.attr in _STORED and not name.startswith("np."):
            yield at.replaced(node, at.text(node.func.value))
        elif name in ("np.maximum", "max", "np.clip", "np.round", "np.float32", "np.float16", "np.abs") and node.args:
            yield from (at.replaced(node, at.text(each)) for each in node.args if not is_number(each, 0))


def from_minus_infinity(at: Surroundings) -> Iterator[Edits]:
    """Let a maximum start from minus infinity."""
    for node in at.of(ast.Assign):
        if isinstance(node, ast.Assign) and is_number(node.value, 0, -1):
            yield at.replaced(node.value, "-np.inf")
    for node in at.nodes:
        if isinstance(node, ast.keyword) and is_number(node.value, 0):
            yield at.replaced(node.value, "-np.inf")
        elif isinstance(node, ast.Call) and at.text(node.func) == "np.zeros" and node.args:
            yield at.replaced(node, f"np.full({at.text(node.args[0])}, -np.inf)")


def first_of_equal(at: Surroundings) -> Iterator[Edits]:
    """Choose the first maximum of a window, where all that are equal are chosen."""
    for node in at.of(ast.Compare):
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Eq):
            for window in (node.left, node.comparators[0]):
                name = at.text(window)
                if isinstance(window, (ast.Name, ast.Subscript)):
                    place = f"np.arange({name}.size).reshape({name}.shape) == {name}.argmax()"
                    yield at.replaced(node, place)


def wider_type(at: Surroundings) -> Iterator[Edits]:
    """Store a result in floating point, whatever the type of the image is."""
    for node in at.nodes:
        if isinstance(node, ast.Attribute) and node.attr == "dtype":
            yield at.replaced(node, f"np.result_type({at.text(node.value)}, np.float32)")
        elif isinstance(node, ast.Call) and at.text(node.func) in ("np.zeros_like", "np.empty_like", "np.ones_like"):
            if len(node.args) == 1 and not node.keywords:
                yield at.after(node.args[0], f", np.result_type({at.text(node.args[0])}, np.float32)")
        elif plain_name(node) == "int" or at.text(node) in ("np.uint8", "np.int32", "np.int64"):
            yield at.replaced(node, "float")


def negate(at: Surroundings) -> Iterator[Edits]:
    """Leave out a minus."""
    for node in at.nodes:
        if (
            isinstance(node, ast.UnaryOp)
            and isinstance(node.op, ast.USub)
            and not isinstance(node.operand, ast.Constant)
        ):
            yield at.replaced(node, at.text(node.operand))
        elif isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Sub):
            yield _sign(at, node.target, node.value, "-=", "+=")


Finder = Callable[[Surroundings], Iterator[Edits]]
