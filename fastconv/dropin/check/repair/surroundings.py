"""What the names in a function stand for, as far as they tell: loops, sizes, arrays."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from itertools import pairwise

from fastconv.backends.locks import cached_property
from fastconv.dropin.check.repair.source import Edit, Function, Source, plain_name

_STRIDE = re.compile(r"stride|^s[hwxy]?$|^step|^S$", re.IGNORECASE)
_PADDING = re.compile(r"pad|^p[hw]?$|^zp$", re.IGNORECASE)
_DILATION = re.compile(r"dilat|^d$|^rate$", re.IGNORECASE)
_BIAS = re.compile(r"^b$|bias|^self\.b$")
_WEIGHT = re.compile(r"^(w|W|weights?|kernels?|filters?|K|self\.(w|W|weights?|filters?|kernels?))$")
_EXCHANGED = (("height", "width"), ("rows", "cols"), ("HH", "WW"), ("H", "W"), ("h", "w"))


class Surroundings:
    """A function, and what its names stand for.

    Parameters
    ----------
    source : Source
        The file.
    function : ast.FunctionDef
        The function.
    """

    def __init__(self, source: Source, function: Function) -> None:
        self.source, self.function = source, function
        self.text: Callable[[ast.AST], str] = source.segment

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """Everything in the function."""
        return list(ast.walk(self.function))

    @cached_property
    def parents(self) -> dict[int, ast.AST]:
        """What each part is a part of, by its id."""
        return {id(child): node for node in self.nodes for child in ast.iter_child_nodes(node)}

    def of(self, *kinds: type[ast.AST]) -> Iterator[ast.AST]:
        """Give the parts of some kinds."""
        return (node for node in self.nodes if isinstance(node, kinds))

    def replaced(self, node: ast.AST, text: str) -> list[Edit]:
        """Return the edit that puts text in the place of a part, if that stands on one line."""
        if not text or getattr(node, "lineno", 0) != getattr(node, "end_lineno", -1):
            return []
        return [Edit(node.lineno, node.col_offset, node.end_col_offset, text)]  # type: ignore[attr-defined]

    def after(self, node: ast.expr, text: str) -> list[Edit]:
        """Return the edit that puts text behind a part."""
        return [Edit(node.end_lineno or 0, node.end_col_offset or 0, node.end_col_offset or 0, text)]

    def indexed(self, node: ast.Subscript, parts: list[str]) -> list[Edit]:
        """Return the edit that puts other indices into a subscript, without those at the end that say nothing."""
        while parts and parts[-1] == ":":
            parts = parts[:-1]
        base = self.text(node.value)
        return self.replaced(node, f"{base}[{', '.join(parts)}]" if parts else base) if base else []

    @cached_property
    def loops(self) -> list[str]:
        """Names that loops run over, the outermost first."""
        targets = [node.target for node in self.nodes if isinstance(node, (ast.For, ast.comprehension))]
        names = [part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)]
        return list(dict.fromkeys(names))

    @cached_property
    def steps(self) -> set[str]:
        """Loops whose name is an index by itself: they run over positions of the output, images, filters."""
        return {
            part.id
            for node in self.nodes
            if isinstance(node, ast.Subscript)
            for part in _parts(node.slice)
            if isinstance(part, ast.Name) and part.id in self.loops
        }

    def named(self, pattern: re.Pattern[str]) -> list[str]:
        """Return names and attributes of `self` that a pattern fits."""
        found = [text for node in self.nodes if (text := plain_name(node)) and pattern.search(text.split(".")[-1])]
        return list(dict.fromkeys(found))

    @property
    def strides(self) -> list[str]:
        """Names of strides."""
        attributes = sorted(name for name in self.source.attributes if _STRIDE.search(name.removeprefix("self.")))
        return self.named(_STRIDE) or attributes or ["stride"]

    @property
    def paddings(self) -> list[str]:
        """Names of paddings that are numbers."""
        arrays = {plain_name(node.value) for node in self.nodes if isinstance(node, ast.Subscript)}
        called = {plain_name(node.func) for node in self.nodes if isinstance(node, ast.Call)}
        return [name for name in self.named(_PADDING) if name not in arrays | called and "np." not in name]

    @property
    def dilations(self) -> list[str]:
        """Names of dilations."""
        return self.named(_DILATION)

    def is_bias(self, node: ast.AST) -> bool:
        """Whether a bias occurs in an expression."""
        return any(_BIAS.search(plain_name(part)) for part in ast.walk(node) if plain_name(part))

    @property
    def biases(self) -> list[str]:
        """Names of biases."""
        return [name for name in map(plain_name, self.nodes) if name and _BIAS.search(name)]

    def is_weight(self, node: ast.AST) -> bool:
        """Whether something is the array of filters, or a part of it."""
        while isinstance(node, ast.Subscript):
            node = node.value
        return bool(_WEIGHT.match(plain_name(node)))

    @cached_property
    def names(self) -> set[str]:
        """Every name in the function."""
        return {name for node in self.nodes if (name := plain_name(node))}

    @cached_property
    def neighbours(self) -> dict[str, list[str]]:
        """Names that are set together with a name, beside it, as those of a shape are."""
        found: dict[str, list[str]] = {}
        for node in self.nodes:
            if isinstance(node, ast.Tuple) and isinstance(node.ctx, ast.Store):
                for one, other in pairwise(map(plain_name, node.elts)):
                    if one and other and one != other:
                        found.setdefault(one, []).append(other)
                        found.setdefault(other, []).append(one)
        return found

    def exchanged(self, name: str) -> list[str]:
        """Return the names of the function that say of the other axis what a name says of one."""
        found = list(self.neighbours.get(name, ()))
        for pair in _EXCHANGED:
            for one, other in (pair, pair[::-1]):
                swapped = re.sub(rf"(?<![A-Za-z]){one}(?![a-z])|{one}$", other, name)
                if swapped != name and swapped in self.names | self.source.attributes:
                    found.append(swapped)
        return list(dict.fromkeys(found))


def _parts(index: ast.expr) -> list[ast.expr]:
    return list(index.elts) if isinstance(index, ast.Tuple) else [index]


def index_parts(node: ast.Subscript) -> list[ast.expr]:
    """Return the indices of a subscript, one for each axis that it names."""
    return _parts(node.slice)


def is_number(node: ast.AST, *values: int) -> bool:
    """Whether something is one of some literal numbers."""
    return isinstance(node, ast.Constant) and type(node.value) in (int, float) and node.value in values
