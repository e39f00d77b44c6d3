"""Imports point downwards: every module belongs to a layer, and imports from lower ones (or its own part) alone.

Inside a part they run in no circle, at any depth: also not through an import in a function or one for types alone.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import fastconv

PACKAGE = Path(fastconv.__file__).parent

# From the bottom. A part is a module or a package right under fastconv/; parts of one layer do not import each other.
LAYERS = (
    ("_version", "_seed_loops", "errors"),
    ("files", "backends"),
    ("validation", "report"),
    ("functional", "initializers", "kernel_archive", "typing"),
    ("layers", "losses"),
    ("optim", "data", "parallel", "testing"),
    ("programs",),
    ("models",),
    ("training", "onnx"),
    ("compat", "sklearn", "dask"),
    ("evidence",),
    ("dropin",),
    ("__init__",),  # `import fastconv` itself
    ("cli",),
    ("__main__",),
)
HEIGHT = {part: height for height, layer in enumerate(LAYERS) for part in layer}

# Inside fast, likewise: rooms, and what stands beside them; all others are operations, which may use each other.
ENGINE = "fastconv.backends.fast."
ROOMS = {"machine": 0, "memory": 1, "explain": 3, "warmup": 3, "program": 3, "grouped": 4, "__init__": 5}
OPERATION = 2

# Numba and its compiler: for the machine and for kernels, and in a function for the command line.
COMPILER_PACKAGES = ("numba", "llvmlite")


def part_of(module: str) -> str:
    """The part of a dotted name: "fastconv.backends.naive" is in "backends", "fastconv" itself in "__init__"."""
    return f"{module}.__init__".split(".")[1]


def imports(source: str, package: str) -> Iterator[tuple[str, bool]]:
    """Every module that is imported, and whether at the top level; names of `from fastconv import x` are resolved."""
    tree = ast.parse(source)
    inside = {
        id(node)
        for f in ast.walk(tree)
        if isinstance(f, (ast.FunctionDef, ast.AsyncFunctionDef))
        for node in ast.walk(f)
    }
    for node in ast.walk(tree):
        top = id(node) not in inside
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, top
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import in {package}"
            for alias in node.names:
                is_part = node.module == "fastconv" and alias.name in HEIGHT
                yield f"fastconv.{alias.name}" if is_part else str(node.module), top


def may_compile(module: str, top: bool) -> bool:
    """Whether a module may import Numba or llvmlite, at the top level or in a function."""
    if module.startswith(ENGINE):
        return f"{module}.".startswith(f"{ENGINE}machine.") or module.endswith("_kernel")
    return part_of(module) == "cli" and not top


def room_of(module: str) -> int:
    """Height of a room of the engine."""
    return ROOMS.get(f"{module}.__init__".removeprefix(ENGINE).split(".")[0], OPERATION)


def violations(module: str, source: str) -> list[str]:
    """What a module must not import."""
    here = part_of(module)
    if here not in HEIGHT:
        return [f"{module}: {here} has no place in LAYERS"]
    found = []
    for imported, top in imports(source, module):
        root = imported.split(".")[0]
        if root in COMPILER_PACKAGES and not may_compile(module, top):
            found.append(f"{module} imports {imported}, which belongs to the machine and to kernels")
        inside = f"{module}.".startswith(ENGINE) and f"{imported}.".startswith(ENGINE)
        if inside and room_of(imported) > room_of(module):
            found.append(f"{module} imports {imported}, which is not below it in the engine")
        if root != "fastconv" or part_of(imported) == here:
            continue
        there = part_of(imported)
        if there not in HEIGHT:
            found.append(f"{module} imports {imported}, which has no place in LAYERS")
        elif HEIGHT[there] >= HEIGHT[here]:
            found.append(f"{module} imports {imported}, which is not below it")
    return found


def modules() -> dict[str, Path]:
    named = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        parts = [*file.relative_to(PACKAGE.parent).with_suffix("").parts]
        if parts[-1] == "__init__" and len(parts) > 2:
            parts.pop()
        named[".".join(parts)] = file
    return named


MODULES = modules()


def imported_files(module: str, source: str, known: Mapping[str, object]) -> set[str]:
    """The modules among `known` that one imports; `from package import name` may mean the file `package.name`."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = (f"{node.module}.{alias.name}" for alias in node.names)
            found |= {name if name in known else str(node.module) for name in names}
    return {name if name in known else f"{name}.__init__" for name in found} & {*known} - {module}


def test_imports_run_in_no_circle() -> None:
    sources = {module: file.read_text(encoding="utf-8") for module, file in MODULES.items()}
    graph = {module: imported_files(module, source, MODULES) for module, source in sources.items()}
    TopologicalSorter(graph).prepare()  # CycleError names the circle


@pytest.mark.parametrize(
    "back", ["from b import y", "def f():\n    import b", "if TYPE_CHECKING:\n    from b import y"]
)
def test_a_circle_is_found_however_it_is_closed(back: str) -> None:
    known = {"a": None, "b": None}
    graph = {"a": imported_files("a", back, known), "b": imported_files("b", "from a import x", known)}
    with pytest.raises(CycleError):
        TopologicalSorter(graph).prepare()


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_downwards(module: str) -> None:
    assert violations(module, MODULES[module].read_text(encoding="utf-8")) == []


def test_the_package_was_found() -> None:
    assert {"fastconv.__init__", "fastconv.errors", "fastconv.backends", "fastconv.backends.naive"} <= set(MODULES)


@pytest.mark.parametrize(
    ("module", "source", "found"),
    [
        ("fastconv.backends.geometry", "import fastconv.functional", "not below"),
        ("fastconv.backends.geometry", "from fastconv.validation.sizes import check_sizes", "not below"),
        ("fastconv.files", "from fastconv.backends.settings import get_options", "not below"),  # a neighbour
        ("fastconv.backends.geometry", "import math\nfrom fastconv.errors import FastconvError", None),
        ("fastconv.backends.naive", "from fastconv.functional import conv2d", "not below"),
        ("fastconv.backends.naive", "def f():\n    from fastconv import testing", "not below"),
        ("fastconv.backends.naive", "from fastconv.backends.base import Backend", None),
        ("fastconv.backends.naive", "import fastconv", "not below"),
        ("fastconv.backends.naive", "import fastconv as fc", "not below"),
        ("fastconv.backends.naive", "from fastconv import conv2d", "not below"),
        ("fastconv.backends.fast", "import numba", "belongs to the machine"),
        ("fastconv.backends.fast.conv.plan", "def f():\n    from numba import njit", "belongs to the machine"),
        ("fastconv.backends.fast.conv.conv_kernel", "from numba.extending import intrinsic", None),
        ("fastconv.backends.fast.pointwise_kernel", "import numba", None),
        ("fastconv.backends.fast.machine", "import numba", None),
        ("fastconv.backends.fast.machine.tile", "from llvmlite import ir", None),
        ("fastconv.backends.fast.machinery", "import numba", "belongs to the machine"),
        ("fastconv.backends.numpy.conv_kernel", "import numba", "belongs to the machine"),
        ("fastconv.backends.fast.machine.tile", "import fastconv.backends.fast.memory.layout", "in the engine"),
        ("fastconv.backends.fast.memory.layout", "from fastconv.backends.fast.conv.plan import x", "in the engine"),
        ("fastconv.backends.fast.memory.layout", "from fastconv.backends.fast.machine.jit import x", None),
        ("fastconv.backends.fast.conv.plan", "from fastconv.backends.fast.depthwise.plan import x", None),
        ("fastconv.backends.fast.pointwise", "import fastconv.backends.fast.explain", "in the engine"),
        ("fastconv.backends.fast.warmup", "import fastconv.backends.fast", "in the engine"),
        ("fastconv.cli.info", "def f():\n    import llvmlite.binding", None),
        ("fastconv.cli.info", "import llvmlite.binding", "belongs to the machine"),
        ("fastconv.cli.info", "import fastconv as fc", None),
        ("fastconv.__init__", "from fastconv.functional import conv2d", None),
        ("fastconv.__init__", "from fastconv.cli import main", "not below"),
        ("fastconv.newcomer", "import math", "has no place"),
        ("fastconv.cli.info", "import fastconv.newcomer", "has no place"),
        (
            "fastconv.testing.gradients",
            "try:\n    import fastconv.cli\nfinally:\n    pass",
            "not below",
        ),
    ],
)
def test_the_lint_finds_seeded_violations(module: str, source: str, found: str | None) -> None:
    messages = violations(module, source)
    assert len(messages) == (0 if found is None else 1), messages
    if found is not None:
        assert found in messages[0]


def test_the_lint_refuses_relative_imports() -> None:
    with pytest.raises(AssertionError, match="relative import"):
        violations("fastconv.backends.naive", "from .base import Backend")
