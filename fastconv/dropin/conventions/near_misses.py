"""Functions and classes that look like convolution or pooling, and are in no form that is known."""

from __future__ import annotations

import ast
import inspect
import linecache
import re
from collections.abc import Collection, Iterator, Mapping
from types import ModuleType
from typing import Any, NamedTuple

from fastconv.dropin.conventions.convention import Implementation
from fastconv.dropin.conventions.cs231n import FORBIDDEN
from fastconv.dropin.conventions.signatures import means_something
from fastconv.dropin.conventions.spelling import words
from fastconv.dropin.source.blocks import cell_of

Defined = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef

# What a name says, in this order.
_WORDS = (
    ("the columns of a convolution", re.compile(r"im2col|img2col|col2im|col2img|unfold")),
    ("a convolution", re.compile(r"conv(?!er|ex)|correlat|filter2d|cnn_?layer")),
    ("a max pooling", re.compile(r"max_?pool")),
    ("an average pooling", re.compile(r"(avg|average|mean)_?pool")),
    ("a pooling", re.compile(r"pool")),
)
# Functions with these words in their names do something else with it.
_OTHERS = {
    *("plot", "show", "draw", "save", "print", "test", "check", "compare", "time", "benchmark", "train", "main"),
    *("shape", "size", "output", "weights", "params", "init", "single", "step", "net", "network", "model", "convnet"),
}
_DEEP = 4  # loops in each other that nothing else has: over rows and columns, of the output and of the window
_FUNCTIONS = {"dot", "einsum", "tensordot", "matmul", "sum", "max", "amax", "mean", "as_strided", "sliding_window_view"}
_FEW = 5  # that are named
_SHOWN = 3  # parameters


class Look(NamedTuple):
    """What something looks like.

    Attributes
    ----------
    operation : str
        Such as "a convolution".
    loops : int
        How many loops stand in each other.
    """

    operation: str
    loops: int


def look_of(node: Defined) -> Look | None:
    """Say what a function or class looks like, by its name and its loops; None if like nothing of ours.

    Examples
    --------
    >>> look_of(ast.parse("def my_convolution(a, b): return [[(a[i:i+3, j] * b).sum() for j in b] for i in a]").body[0])
    Look(operation='a convolution', loops=2)
    >>> look_of(ast.parse("def plot_convolution(a): return a.max()").body[0])
    """
    if set(words(node.name)) & (FORBIDDEN | _OTHERS):
        return None
    loops, calls = _depth(node), set(_called(node))
    named = _named(node.name)
    if named is not None:
        return Look(named, loops) if loops >= 2 or calls & _FUNCTIONS else None
    if loops < _DEEP:
        return None
    if any(isinstance(each, (ast.Mult, ast.MatMult)) for each in ast.walk(node)):
        return Look("a convolution", loops)
    return Look("a pooling", loops) if calls & {"max", "amax", "mean", "maximum"} else None


def _named(name: str) -> str | None:
    """What a name says."""
    return next((operation for operation, pattern in _WORDS if pattern.search(name.lower())), None)


def _depth(node: ast.AST) -> int:
    """How many loops stand in each other at most; those of a comprehension do."""
    inner = max(map(_depth, ast.iter_child_nodes(node)), default=0)
    if isinstance(node, (ast.ListComp, ast.GeneratorExp, ast.SetComp, ast.DictComp)):
        return inner + len(node.generators)
    return inner + isinstance(node, (ast.For, ast.While))


def _called(node: ast.AST) -> Iterator[str]:
    """Names of what is called, without the module or object."""
    for each in ast.walk(node):
        if isinstance(each, ast.Call) and isinstance(each.func, (ast.Name, ast.Attribute)):
            yield each.func.id if isinstance(each.func, ast.Name) else each.func.attr
        elif isinstance(each, ast.MatMult):
            yield "matmul"


def may_compute(tree: ast.Module) -> bool:
    """Whether a file defines something that looks like convolution or pooling, or has such a name."""
    defined = [node for node in ast.walk(tree) if isinstance(node, Defined)]
    return any(_named(node.name) is not None or look_of(node) is not None for node in defined)


def near_misses(target: Any, found: Collection[Implementation]) -> dict[str, str]:
    """Find what looks like convolution or pooling and was not recognised.

    Parameters
    ----------
    target : module, class or function
        Where was looked.
    found : collection of Implementation
        What was recognised.

    Returns
    -------
    dict of str to str
        By name of a function or class, a line that says what is missing and what to try.
    """
    known = {id(it) for each in found for target in each.targets.values() for it in (target.function, target.owner)}
    known |= {id(each.cls) for each in found}
    trees = dict[str, ast.Module | None]()
    near = dict[str, str]()
    for value in _defined(target):
        filename, node = ("", None) if id(value) in known else _node_of(value, trees)
        look = None if node is None else look_of(node)
        if node is not None and look is not None:
            near[node.name] = _line(node, look, cell_of(filename))
    return near


def told(near: Mapping[str, str]) -> tuple[str, ...]:
    """Return the lines of a few, and how many more there are."""
    lines, more = [*near.values()][:_FEW], len(near) - _FEW
    return (*lines, *([f"{more} more look like convolution or pooling"] if more > 0 else []))


def _defined(target: Any) -> Iterator[Any]:
    """Give the functions and classes that are defined in a module, or the one."""
    if not isinstance(target, ModuleType):
        yield target
        return
    seen = set[int]()
    for value in list(vars(target).values()):
        own = getattr(value, "__module__", None) == target.__name__ and hasattr(value, "__name__")
        if own and callable(value) and id(value) not in seen:
            seen.add(id(value))
            yield value


def _node_of(value: Any, trees: dict[str, ast.Module | None]) -> tuple[str, Defined | None]:
    """Return the file of a function or class, and its syntax tree; None where that is not known."""
    holders = vars(value).values() if isinstance(value, type) else (value,)
    codes = [getattr(inspect.unwrap(each), "__code__", None) for each in holders if callable(each)]
    code = next((code for code in codes if code is not None), None)
    if code is None:
        return "", None
    filename, line = code.co_filename, code.co_firstlineno
    if filename not in trees:
        trees[filename] = _tree_of(filename)
    tree = trees[filename]
    nodes = [node for node in ast.walk(tree) if isinstance(node, Defined)] if tree is not None else []
    around = [node for node in nodes if node.name == value.__name__ and _first(node) <= line <= (node.end_lineno or 0)]
    return filename, around[0] if around else None


def _tree_of(filename: str) -> ast.Module | None:
    try:
        return ast.parse("".join(linecache.getlines(filename)))
    except (SyntaxError, ValueError):
        return None


def _first(node: Defined) -> int:
    """The line of the first decorator, or of the definition itself."""
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])


def _line(node: Defined, look: Look, cell: str) -> str:
    signs = f"{look.loops} loops in each other" if look.loops > 1 else "its name"
    example = "layer" if isinstance(node, ast.ClassDef) else node.name
    return (
        f"`{_shown(node)}` ({cell}line {node.lineno}) looks like {look.operation} ({signs}); what could not be found is"
        f" {_missing(node)}; try fastconv.accelerate({example}, example)"
    )


def _shown(node: Defined) -> str:
    """The call of a function or class, with its first parameters."""
    names = _parameters(node)
    return f"{node.name}({', '.join(names[:_SHOWN])}{', …' if len(names) > _SHOWN else ''})"


def _parameters(node: Defined) -> list[str]:
    if isinstance(node, ast.ClassDef):
        made = [each for each in node.body if isinstance(each, ast.FunctionDef) and each.name == "__init__"]
        return _parameters(made[0])[1:] if made else []
    arguments = node.args
    return [each.arg for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]


def _missing(node: Defined) -> str:
    """What a form that is known would have."""
    if isinstance(node, ast.ClassDef):
        methods = [each.name for each in node.body if isinstance(each, ast.FunctionDef)]
        if not any("forward" in name for name in methods):
            return "a method forward(x)"
        return "a known class with these parameters"
    unknown = [name for name in _parameters(node) if not means_something(name)]
    if not unknown:
        return "a known form with these parameters"
    return f"the meaning of {', '.join(unknown)}"
