"""What LLVM makes of the tiles for other CPUs: registers of the full width, fused instructions, and no spill.

Nothing is run: the tiles are compiled to assembly, and the innermost loop is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Any

import pytest
from grids import covering
from programs import FULL
from strategies import BACKENDS

if "fast" not in BACKENDS:
    pytest.skip("the fast backend needs Numba", allow_module_level=True)

import llvmlite.binding as llvm
from llvmlite import ir

from fastconv.backends.fast.conv import tiling
from fastconv.backends.fast.conv.dots_tile_kernel import DotsTile, emit_dots_tile
from fastconv.backends.fast.depthwise import tiles as pieces
from fastconv.backends.fast.depthwise.depthwise_tile_kernel import (
    ROLLING,
    TAPS,
    WINDOWS,
    DepthwiseTile,
    emit_depthwise_tile,
)
from fastconv.backends.fast.machine.intrinsics import DEPTHWISE_TILE_ARGUMENTS, TILE_ARGUMENTS, TRANSFORM_ARGUMENTS
from fastconv.backends.fast.machine.target import AVX2, AVX512, NEON, SSE2, Target, _vector_unit
from fastconv.backends.fast.machine.tile import CHANNELS, LANEWISE, PACKED, ROWS, STRIDED, Tile, emit_tile
from fastconv.backends.fast.pool.maxima_tile_kernel import (
    MAXIMA_ARGUMENTS,
    MaximaTile,
    emit_maxima_tile,
)
from fastconv.backends.fast.winograd import transform_kernel
from fastconv.backends.fast.winograd.tiles import VECTORS
from fastconv.backends.fast.winograd.transform_kernel import Transform, emit_transform

X86, ARM = "x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"
MODES = (PACKED, STRIDED, LANEWISE, ROWS)


@dataclass(frozen=True)
class Cpu:
    """A CPU that LLVM knows, from some version on, and the tiles that are made for it."""

    name: str
    triple: str
    target: Target
    since: int = 0

    def __str__(self) -> str:
        return self.name


CPUS = (
    Cpu("znver5", X86, AVX512, 20),
    Cpu("znver4", X86, AVX512, 16),
    Cpu("sapphirerapids", X86, AVX512),
    Cpu("skylake-avx512", X86, AVX512),
    Cpu("haswell", X86, AVX2),
    Cpu("znver3", X86, AVX2),
    Cpu("x86-64", X86, SSE2),
    Cpu("neoverse-n1", ARM, NEON),
    Cpu("apple-m1", ARM, NEON),
)
BY_NAME = {cpu.name: cpu for cpu in CPUS}
cpus = pytest.mark.parametrize("cpu", CPUS, ids=str)


def skip_unless_known(cpu: Cpu) -> None:
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    try:
        llvm.Target.from_triple(cpu.triple)
    except RuntimeError as error:
        pytest.skip(f"this LLVM cannot compile for {cpu.triple}: {error}")
    if llvm.llvm_version_info[0] < cpu.since:
        pytest.skip(f"LLVM {llvm.llvm_version_info[0]} does not know {cpu}, which came with {cpu.since}")


EMITTERS: dict[type, tuple[Callable[..., Any], int]] = {
    Tile: (emit_tile, TILE_ARGUMENTS),
    DepthwiseTile: (emit_depthwise_tile, DEPTHWISE_TILE_ARGUMENTS),
    Transform: (emit_transform, TRANSFORM_ARGUMENTS),
    DotsTile: (emit_dots_tile, TILE_ARGUMENTS),
    MaximaTile: (emit_maxima_tile, MAXIMA_ARGUMENTS),
}


def assembly(shape: Tile | DepthwiseTile | Transform | DotsTile | MaximaTile, cpu: Cpu) -> str:
    """Compile a micro-kernel alone."""
    emit, arguments = EMITTERS[type(shape)]
    module = ir.Module()
    module.triple = cpu.triple
    result = ir.IntType(64) if isinstance(shape, MaximaTile) else ir.VoidType()
    function = ir.Function(module, ir.FunctionType(result, [ir.IntType(64)] * arguments), "kernel")
    builder = ir.IRBuilder(function.append_basic_block())
    found = emit(builder, shape, list(function.args))
    if isinstance(shape, MaximaTile):
        builder.ret(found)
    else:
        builder.ret_void()
    compiled = llvm.parse_assembly(str(module))
    compiled.verify()
    machine = llvm.Target.from_triple(cpu.triple).create_target_machine(cpu=cpu.name, opt=3)
    passes = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=3))
    passes.getModulePassManager().run(compiled, passes)
    return str(machine.emit_assembly(compiled))


# Reading assembly: basic blocks, the loops that they form, and the innermost one that multiplies.

LABEL = re.compile(r"(\.LBB\w+):")
BRANCH = re.compile(r"(j\w+|b(?:\.\w+)?|cbn?z|tbn?z)\s.*?(\.LBB\w+)")
COMPARE = re.compile(r"v?(?:cmp\w*|max)p[sd]|fcm\w+|fmaxnm")
MULTIPLY = re.compile(r"v?f(?:n?m(?:add|sub|la|ls|ul))|v?mulp[sd]")
VECTOR = re.compile(r"%(?:[xyz]mm|k)\d|\b[qdsv]\d")
STACK = re.compile(r"\(%rsp|\[sp")

Graph = dict[str, tuple[list[str], list[str]]]


def graph_of(text: str) -> Graph:
    """Instructions and followers of every basic block that is reached."""
    blocks: Graph = {"start": ([], [])}
    name, falls = "start", True
    for line in text.splitlines():
        label, instruction = LABEL.match(line), re.split(r"\s+(?:# |//)", line)[0].strip()
        branch = BRANCH.match(instruction)
        if label:
            follower = label[1]
        elif not line.startswith("\t") or instruction.startswith((".", "#", "//")) or not instruction:
            continue
        else:
            blocks[name][0].append(instruction)
            if not branch:
                falls = falls and not instruction.startswith("ret")
                continue
            blocks[name][1].append(branch[2])
            falls, follower = branch[1] not in ("jmp", "b"), f"after {len(blocks)}"
        if falls:
            blocks[name][1].append(follower)
        name, falls = follower, True
        blocks[name] = ([], [])
    reached, waiting = {"start"}, ["start"]
    while waiting:
        new = set(blocks[waiting.pop()][1]) - reached
        reached |= new
        waiting += new
    return {name: block for name, block in blocks.items() if name in reached}


def loops_of(graph: Graph) -> Iterator[list[str]]:
    """Instructions of every natural loop: of the blocks from which the one that jumps back can be reached."""
    before = {name: [other for other in graph if name in graph[other][1]] for name in graph}
    dominators = {name: set(graph) for name in graph}
    dominators["start"] = {"start"}
    changed = True
    while changed:
        changed = False
        for name in list(graph)[1:]:
            found = set.intersection(*(dominators[other] for other in before[name])) | {name}
            changed, dominators[name] = changed or found != dominators[name], found
    for last, (_, followers) in graph.items():
        for head in set(followers) & dominators[last]:
            body, waiting = {head, last}, [last]
            while waiting:
                new = set(before[waiting.pop()]) - body if waiting[-1] != head else {waiting.pop()} - body
                body |= new
                waiting += new
            yield [instruction for name in graph if name in body for instruction in graph[name][0]]


def inner_loop(text: str, does: re.Pattern[str] = MULTIPLY) -> list[str]:
    """Instructions of the smallest loop that multiplies."""
    found = [body for body in loops_of(graph_of(text)) if any(does.match(instruction) for instruction in body)]
    assert found, text
    return min(found, key=len)


def spills(body: list[str]) -> list[str]:
    """Instructions that move a vector, or its mask, between a register and the stack."""
    return [instruction for instruction in body if STACK.search(instruction) and VECTOR.search(instruction)]


def products_of(slide: DepthwiseTile) -> int:
    """Multiply-adds of vectors in the inner loop, of what is not outside of x."""
    inside = range(slide.before, (slide.pixels - 1) * slide.stride + slide.taps - slide.after)
    pairs = sum(p * slide.stride + k in inside for p in range(slide.pixels) for k in range(slide.taps))
    return pairs * slide.vectors * slide.runs


def check(shape: Tile | DepthwiseTile | DotsTile, cpu: Cpu) -> None:
    """Registers of the full width, fused instructions where there are any, and no spill in the inner loop."""
    body = inner_loop(assembly(shape, cpu))
    listing = f"{shape} for {cpu}:\n" + "\n".join(body)
    assert not spills(body), f"{spills(body)}\n{listing}"
    fused, register = {
        "avx512": (r"vfn?m\w+p[sd]\s", r"%zmm"),
        "avx2": (r"vfn?m\w+p[sd]\s", r"%ymm"),
        "sse2": (r"mulp[sd]\s", r"%xmm"),
        "neon": (r"fmla\s", r"\bv\d+\.(?:4s|2d)"),
    }[cpu.target.name]
    products = [instruction for instruction in body if MULTIPLY.match(instruction)]
    assert all(re.match(fused, product) and re.search(register, product) for product in products), listing
    if isinstance(shape, DotsTile):
        count = shape.rows * shape.filters
    else:
        count = shape.rows * shape.vectors * shape.depth if isinstance(shape, Tile) else products_of(shape)
    assert len(products) >= count, listing
    assert len(products) % count == 0, listing  # a multiple where LLVM unrolled


@pytest.mark.parametrize("cpu", [cpu for cpu in CPUS if cpu.target is not SSE2], ids=str)
def test_what_loops_over_taps_is_in_registers(cpu: Cpu) -> None:
    skip_unless_known(cpu)
    for every, kept, itemsize in product((1, 2), (0, 1, 8), (4, 8)):
        vectors = 4 if every == 1 and cpu.target is AVX512 else 1
        body = inner_loop(assembly(MaximaTile(every, 64, vectors, itemsize, kept), cpu), COMPARE)
        assert not [instruction for instruction in body if STACK.search(instruction)], "\n".join(body)


# Which tiles there are.


def heights(target: Target) -> dict[int, int]:
    """Vectors -> rows of the tallest tile: those of the plans, and narrower ones for the lanes that are left over."""
    tallest: dict[int, int] = {}
    for vectors in tiling._VECTORS:
        rows = target.tile_rows(vectors)
        if vectors == 1 or rows * vectors + vectors < target.registers:
            for width in range(1, vectors + 1):
                tallest[width] = max(rows, tallest.get(width, 0))
    return tallest


Shapes = list[tuple[Cpu, Tile | DepthwiseTile]]


@lru_cache(maxsize=1)
def tiles() -> Shapes:
    """All tiles of all CPUs, or those of the tallest that three options can make, and of the others those of two."""
    tallest, shorter = [], []
    for cpu in CPUS:
        for (vectors, most), mode, itemsize, masked in product(heights(cpu.target).items(), MODES, (4, 8), (0, 1)):
            tallest.append((cpu, mode, vectors, itemsize, masked))
            shorter += [(cpu, mode, vectors, itemsize, masked, rows) for rows in range(1, most)]
    if not FULL:
        tallest, shorter = covering(tallest, 3), covering(shorter, 2)
    return [tile(*options) for options in (*tallest, *shorter)]


def tile(cpu: Cpu, mode: int, vectors: int, itemsize: int, masked: int, rows: int = 0) -> tuple[Cpu, Tile]:
    """A tile of so many rows, or the tallest."""
    rows, lanes = rows or heights(cpu.target)[vectors], cpu.target.lanes(itemsize)
    return cpu, Tile(mode, rows, vectors, lanes, itemsize, masked)


@cpus
def test_plans_use_no_other_tiles(cpu: Cpu, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiling, "host", lambda: cpu.target)
    known = heights(cpu.target)
    for itemsize in (4, 8):
        for lanes in range(1, 9 * cpu.target.lanes(itemsize)):
            for pixels in (1, 2, 3, 5, 7, 11, 14, 28, 31, 56, 223):
                cut, _ = tiling.tiling.__wrapped__(pixels, lanes, itemsize)
                assert all(cut.tall <= known[vectors] for vectors, _ in cut.widths)


@cpus
def test_the_vector_unit_of_a_cpu_is_recognised(cpu: Cpu) -> None:
    skip_unless_known(cpu)
    if cpu.triple != X86 or not llvm.get_process_triple().startswith("x86_64"):
        pytest.skip("the vector unit is compiled for on x86 alone")
    assert _vector_unit(cpu.name, "") == cpu.target


@pytest.mark.slow
@cpus
def test_no_tile_spills(cpu: Cpu) -> None:
    skip_unless_known(cpu)
    check_all(tiles(), cpu)


def check_all(shapes: Shapes, cpu: Cpu) -> None:
    """Check those of one CPU."""
    own = [shape for other, shape in shapes if other == cpu]
    assert own
    for shape in own:
        check(shape, cpu)


@cpus
def test_no_tile_of_few_filters_spills(cpu: Cpu) -> None:
    skip_unless_known(cpu)
    for itemsize, filters in product((4, 8), (1, 2, 3, 4, 8) if FULL else (1, 2, 4)):
        if filters <= (lanes := cpu.target.lanes(itemsize)):
            check(DotsTile(cpu.target.tile_rows(filters), filters, lanes, itemsize), cpu)


@lru_cache(maxsize=1)
def grouped_tiles() -> Shapes:
    """All tiles in which small groups stand side by side, or those of the tallest, and of the others those of three."""
    tallest, shorter = [], []
    for cpu, mode, itemsize, masked in product(CPUS, (LANEWISE, CHANNELS), (4, 8), (0, 1)):
        lanes = cpu.target.lanes(itemsize)
        for depth in (depth for depth in (2, 4, 8) if depth < lanes):
            most = cpu.target.group_tile_rows(depth, summed=mode == LANEWISE)
            tallest.append((cpu, mode, most, itemsize, masked, depth))
            shorter += [(cpu, mode, rows, itemsize, masked, depth) for rows in range(1, most)]
    return [
        (cpu, Tile(mode, rows, 1, cpu.target.lanes(itemsize), itemsize, masked, depth=depth))
        for cpu, mode, rows, itemsize, masked, depth in (*tallest, *(shorter if FULL else covering(shorter, 2)))
    ]


@pytest.mark.slow
@cpus
def test_no_tile_of_small_groups_spills(cpu: Cpu) -> None:
    skip_unless_known(cpu)
    check_all(grouped_tiles(), cpu)


def test_a_tile_of_small_groups_too_tall_is_caught() -> None:
    cpu = BY_NAME["skylake-avx512"]
    skip_unless_known(cpu)
    rows = AVX512.group_tile_rows(8, summed=True)
    with pytest.raises(AssertionError, match="rsp"):
        check(Tile(LANEWISE, rows + 1, 1, 16, 4, 0, depth=8), cpu)


@lru_cache(maxsize=1)
def slides() -> Shapes:
    """The micro-kernels of depthwise convolution of all CPUs, or those that two options can make."""
    found = [(cpu, *slide) for cpu in CPUS if cpu.target == AVX512 for slide in slides_of(cpu.target)]
    return [(cpu, DepthwiseTile(*slide)) for cpu, *slide in (found if FULL else covering(found, 2))]


def slides_of(target: Target) -> Iterator[DepthwiseTile]:
    """Every micro-kernel of depthwise convolution that the plans use."""
    strides = range(1, pieces.MOST_STRIDE + 1)
    for taps, stride, itemsize, masked in product(pieces.LARGEST, strides, (4, 8), (0, 1)):
        lanes, (vectors, pixels), sums = target.lanes(itemsize), pieces.LARGEST[taps], pieces.largest_sum(taps)
        for width, size, edges in product(range(1, vectors + 1), range(1, pixels + 1), edges_of(taps)):
            yield DepthwiseTile(WINDOWS, size, width, lanes, itemsize, masked, taps, stride, 1, 0, 0, *edges)
        for runs, width, size in product(
            range(1, sums.runs + 1), range(1, sums.vectors + 1), range(1, sums.pixels + 1)
        ):
            yield DepthwiseTile(TAPS, size, width, lanes, itemsize, masked, taps, stride, runs)
    for ((runs, taps), (vectors, pixels)), itemsize, masked in product(pieces.LARGEST_ROLLING.items(), (4, 8), (0, 1)):
        for width, size, edges in product(range(1, vectors + 1), range(1, pixels + 1), edges_of(taps)):
            yield DepthwiseTile(
                ROLLING, size, width, target.lanes(itemsize), itemsize, masked, taps, 1, runs, 0, 0, *edges
            )


def edges_of(taps: int) -> list[tuple[int, int]]:
    """Cells outside of x before and after those of a tile, of which no pixel has nothing but those."""
    return [(0, 0), ((taps - 1) // 2, 0), (0, taps - 1 - (taps - 1) // 2), ((taps - 1) // 2, taps // 2)]


@pytest.mark.slow
@pytest.mark.parametrize("cpu", [cpu for cpu in CPUS if cpu.target == AVX512], ids=str)
def test_no_sliding_window_spills(cpu: Cpu) -> None:
    skip_unless_known(cpu)
    check_all(slides(), cpu)


def test_a_sliding_window_too_wide_is_caught() -> None:
    cpu = BY_NAME["skylake-avx512"]
    skip_unless_known(cpu)
    with pytest.raises(AssertionError, match="rsp"):
        check(DepthwiseTile(WINDOWS, 14, 2, 16, 4, 0, 3, 1), cpu)
    with pytest.raises(AssertionError, match="rsp"):
        check(DepthwiseTile(ROLLING, 4, 2, 16, 4, 0, 3, 1, 3), cpu)


KINDS = {
    "input": (transform_kernel.INPUT, 1),
    "weights": (transform_kernel.WEIGHTS, 1),
    "output": (transform_kernel.OUTPUT, VECTORS),
    "gradient": (transform_kernel.GRADIENT, VECTORS),
    "taps": (transform_kernel.TAPS, 1),
}
# Of all instructions of the loop over vectors, those that move one between a register and the stack. A tile has 36
# numbers, of which most must wait: some of them in 32 registers, in 16 a third.
SPILLED = {"avx512": 1 / 14, "neon": 1 / 6, "avx2": 1 / 3, "sse2": 1 / 3}
SPILLED_3X3 = {**SPILLED, "avx512": 1 / 30}


@cpus
@pytest.mark.parametrize("kind", KINDS)
def test_transforms_spill_no_more_than_they_must(cpu: Cpu, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    skip_unless_known(cpu)
    monkeypatch.setattr(transform_kernel, "host", lambda: cpu.target)
    number, vectors = KINDS[kind]
    for outputs, taps, masked in product((4, 2), (3, 5), (0, 1)):
        if (outputs == 4 and taps == 5) or (masked and kind == "weights"):
            continue
        most = 4 if taps == 3 else 2  # outputs of the largest tile
        lanes = cpu.target.lanes(4)
        shape = Transform(number, most, outputs, most, most, taps, taps, lanes, vectors, masked)
        body = inner_loop(assembly(shape, cpu))
        allowed = (SPILLED_3X3 if taps == 3 else SPILLED)[cpu.target.name] * len(body)
        assert len(spills(body)) <= allowed, f"{shape} for {cpu}: {len(spills(body))} of {len(body)}"
    for taps in ((2, 2), (3, 2), (2, 1)) if kind in ("input", "weights") else ():  # of the phases of a stride
        shape = Transform(number, 4, 4, 4, 4, *taps, cpu.target.lanes(4), vectors, 0)
        body = inner_loop(assembly(shape, cpu))
        assert len(spills(body)) <= SPILLED_3X3[cpu.target.name] * len(body), f"{shape} for {cpu}"
    shape = Transform(number, 1, 4, 1, 4, 1, 3, cpu.target.lanes(4), vectors, 0)
    # of one axis; the taps also keep whether they are finite
    assert len(spills(inner_loop(assembly(shape, cpu)))) <= (kind == "taps" and cpu.target.name == "sse2")


# The checker itself.


@cpus
@pytest.mark.parametrize("mode", MODES, ids=["packed", "strided", "lanewise", "rows"])
def test_a_tile_too_tall_is_caught(cpu: Cpu, mode: int) -> None:
    skip_unless_known(cpu)
    lanes, rows = cpu.target.lanes(4), cpu.target.registers // 2
    with pytest.raises(AssertionError, match=r"rsp|\[sp"):  # accumulators take all registers, nothing is left for b
        check(Tile(mode, rows, 2, lanes, 4, 0), cpu)


@pytest.mark.parametrize("name", ["haswell", "znver3"])
def test_a_tile_one_row_too_tall_is_caught(name: str) -> None:
    cpu = BY_NAME[name]
    skip_unless_known(cpu)
    tile = Tile(STRIDED, AVX2.tile_rows(3) + 1, 3, 8, 4, 1)  # 12 accumulators, three b vectors, a mask: all sixteen
    with pytest.raises(AssertionError, match="rsp"):
        check(tile, cpu)
    check(tile._replace(rows=tile.rows - 1), cpu)


def test_a_tile_of_narrow_vectors_is_caught() -> None:
    cpu = BY_NAME["skylake-avx512"]
    skip_unless_known(cpu)
    with pytest.raises(AssertionError, match="for skylake-avx512"):
        check(Tile(PACKED, 6, 2, 8, 4, 0), cpu)


LOOPS = """
tile:
\tpushq\t%rbx
.LBB0_1:
\tvmovups\t%zmm0, 64(%rsp)\t# 64-byte Spill
\tmovq\t(%rsp), %rax
.LBB0_2:
\tvfmadd231ps\t(%rdi){1to16}, %zmm1, %zmm2
\tBETWEEN
\tjne\t.LBB0_2
\tvmovups\t64(%rsp), %zmm0
\tjl\t.LBB0_1
\tretq
"""


@pytest.mark.parametrize(
    ("between", "found"),
    [
        ("addq\t$4, %rdi", 0),
        ("movq\t%rax, 8(%rsp)", 0),
        ("vmovups\t(%rsi), %zmm3", 0),
        ("vmovups\t%zmm3, 64(%rsp)", 1),
        ("vfmadd231ps\t(%rsp), %zmm1, %zmm3", 1),
        ("kmovw\t%k1, 12(%rsp)", 1),
        ("je\t.LBB0_3\n\tvmovups\t64(%rsp), %zmm3\n.LBB0_3:", 1),
    ],
)
def test_spills_count_in_the_inner_loop_alone(between: str, found: int) -> None:
    body = inner_loop(LOOPS.replace("BETWEEN", between))
    assert body[-1] == "jne\t.LBB0_2"
    assert len(spills(body)) == found
