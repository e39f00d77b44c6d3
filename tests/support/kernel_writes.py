"""Who writes what: kernels whose every store is recorded, and launches that are run one task at a time.

A kernel is compiled as always, or comes from the disk as always, and before every instruction of its optimised LLVM IR
that touches memory a call is put that notes the addresses. Comparing memory before and after would not do: a task that
reads its neighbour's number and writes it back changes nothing, but undoes what the neighbour does at the same time.
Two tasks of one launch may not write to one byte, nor may one write what another reads. What they keep on their own
stack does not count.
"""

from __future__ import annotations

import ctypes
import re
import sys
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
from llvmlite import binding

__all__ = ["Launch", "Recorder"]

CAPACITY = 2**22  # accesses of one task
STACK = 2**20  # bytes around the recorder's own variable that are the stack of the kernel
READ, WRITTEN = 0, 1

_trace = np.zeros((CAPACITY, 2), np.int64)  # (address, bytes * 2 + whether it is written)
_count = np.zeros(1, np.int64)

# Notes one access; `@fastconv_each` does the same for the lanes of a mask.
RECORDER = f"""
define internal void @fastconv_note(ptr %place, i64 %bytes, i64 %kind) noinline {{
  %own = alloca i8
  %here = ptrtoint ptr %own to i64
  %address = ptrtoint ptr %place to i64
  %distance = sub i64 %address, %here
  %shifted = add i64 %distance, {STACK}
  %stack = icmp ult i64 %shifted, {2 * STACK}
  %empty = icmp eq i64 %bytes, 0
  %skip = or i1 %stack, %empty
  br i1 %skip, label %end, label %count
count:
  %n = load i64, ptr inttoptr (i64 COUNT to ptr)
  %next = add i64 %n, 1
  store i64 %next, ptr inttoptr (i64 COUNT to ptr)
  %fits = icmp ult i64 %n, {CAPACITY}
  br i1 %fits, label %write, label %end
write:
  %entry = getelementptr [2 x i64], ptr inttoptr (i64 TRACE to ptr), i64 %n
  store i64 %address, ptr %entry
  %double = shl i64 %bytes, 1
  %both = or i64 %double, %kind
  %second = getelementptr i64, ptr %entry, i64 1
  store i64 %both, ptr %second
  br label %end
end:
  ret void
}}
define internal void @fastconv_each(ptr %place, i64 %bytes, i64 %mask, i64 %kind) noinline {{
  br label %loop
loop:
  %rest = phi i64 [ %mask, %0 ], [ %shifted, %go ]
  %at = phi ptr [ %place, %0 ], [ %following, %go ]
  %done = icmp eq i64 %rest, 0
  br i1 %done, label %end, label %go
go:
  %lane = and i64 %rest, 1
  %some = mul i64 %lane, %bytes
  call void @fastconv_note(ptr %at, i64 %some, i64 %kind)
  %following = getelementptr i8, ptr %at, i64 %bytes
  %shifted = lshr i64 %rest, 1
  br label %loop
end:
  ret void
}}
"""


_CALL = re.compile(r"\bcall\b.*?@(llvm\.[\w.]+)\(")
_LOAD = re.compile(r"^\s*(?:%[-\w.$]+|%\"[^\"]*\") = load (.*)$")
_MASKED = re.compile(r"llvm\.masked\.(store|load|scatter|gather)\.v(\d+)([fi]\d+)")
_ATTRIBUTES = re.compile(
    r"^((align \d+|noundef|nonnull|writeonly|readonly|captures\([^)]*\)|dereferenceable\(\d+\)) )*"
)
# intrinsics that touch no memory
_SILENT = re.compile(
    r"llvm\.(fma|fmuladd|[su](min|max|cmp)|prefetch|vector|abs|fabs|sqrt|lifetime|assume|experimental\.noalias|copysign"
    r"|(u|s)(add|sub|mul)|fsh[lr]|ct(lz|tz|pop)|floor|ceil|is\.fpclass|min(num|imum)|max(num|imum)|bswap|trap)\b"
)


def _parts(text: str) -> list[str]:
    """Split a list of operands at the commas that are in no bracket, up to the bracket that closes it."""
    parts, depth, quoted, start = [], 0, False, 0
    for i, character in enumerate(text):
        if character == '"':
            quoted = not quoted
        elif quoted:
            continue
        elif character in "([{<":
            depth += 1
        elif character in ")]}>":
            depth -= 1
            if depth < 0:
                return [*parts, text[start:i].strip()]
        elif character == "," and depth == 0:
            parts.append(text[start:i].strip())
            start = i + 1
    return [*parts, text[start:].strip()]


def _typed(operand: str) -> tuple[str, str]:
    """(type, value) of an operand; attributes such as ``align 4`` are left out."""
    closes = {"<": ">", "{": "}", "[": "]"}.get(operand[0])
    end = operand.index(closes) + 1 if closes else operand.index(" ")
    return operand[:end], _ATTRIBUTES.sub("", operand[end:].strip())


def _size(kind: str) -> str:
    """Constant expression for the bytes of a type."""
    return f"ptrtoint (ptr getelementptr ({kind}, ptr null, i64 1) to i64)"


def _note(place: str, size: str, kind: int) -> str:
    return f"  call void @fastconv_note(ptr {place}, i64 {size}, i64 {kind})"


def _notes_of_mask(name: str, arguments: list[str], number: int) -> Iterator[str]:
    """Notes of a masked access: its lanes are in a row, or each has an address."""
    which, lanes, item = _MASKED.match(name).groups()  # type: ignore[union-attr]
    kind, bits = WRITTEN if which in ("store", "scatter") else READ, int(item[1:]) // 8
    places = _typed(arguments[1 if kind == WRITTEN else 0])
    mask = _typed(arguments[2 if kind == WRITTEN else 1])[1]
    yield f"  %fastconv.bits.{number} = bitcast <{lanes} x i1> {mask} to i{lanes}"
    yield f"  %fastconv.mask.{number} = zext i{lanes} %fastconv.bits.{number} to i64"
    if which in ("store", "load"):
        yield f"  call void @fastconv_each(ptr {places[1]}, i64 {bits}, i64 %fastconv.mask.{number}, i64 {kind})"
        return
    for lane in range(int(lanes)):
        at, bit = f"%fastconv.at.{number}.{lane}", f"%fastconv.bit.{number}.{lane}"
        yield f"  {at} = extractelement {places[0]} {places[1]}, i64 {lane}"
        yield f"  {bit} = lshr i64 %fastconv.mask.{number}, {lane}"
        yield f"  {bit}.only = and i64 {bit}, 1"
        yield f"  call void @fastconv_each(ptr {at}, i64 {bits}, i64 {bit}.only, i64 {kind})"


def _notes(line: str, number: int) -> Iterator[str]:
    """What is put before one instruction; an instruction that may touch memory and is not known here is an error."""
    text = line.strip()
    if text.startswith("store "):
        assert not text.startswith(("store volatile", "store atomic")), text
        value, place = _parts(text[len("store ") :])[:2]
        yield _note(_typed(place)[1], _size(_typed(value)[0]), WRITTEN)
    elif found := _LOAD.match(line):
        assert not found[1].startswith(("volatile", "atomic")), text
        kind, place = _parts(found[1])[:2]
        yield _note(_typed(place)[1], _size(kind), READ)
    elif found := _CALL.search(line):
        arguments = _parts(line[found.end() :])
        if found[1].startswith("llvm.masked."):
            yield from _notes_of_mask(found[1], arguments, number)
        elif found[1].startswith(("llvm.memcpy", "llvm.memmove")):
            size = _typed(arguments[2])[1]
            yield _note(_typed(arguments[1])[1], size, READ)
            yield _note(_typed(arguments[0])[1], size, WRITTEN)
        elif found[1].startswith("llvm.memset"):
            yield _note(_typed(arguments[0])[1], _typed(arguments[2])[1], WRITTEN)
        else:
            assert _SILENT.match(found[1]), text
    else:
        assert not re.search(r"\b(atomicrmw|cmpxchg|invoke)\b", text), text


def instrumented_ir(ir: str) -> str:
    """LLVM IR of a module with a note before every access to memory."""
    lines: list[str] = []
    for number, line in enumerate(ir.splitlines()):
        if line.startswith(" "):
            lines.extend(_notes(line, number))
        lines.append(line)
    trace, count = _trace.ctypes.data, _count.ctypes.data
    return "\n".join(lines) + RECORDER.replace("TRACE", str(trace)).replace("COUNT", str(count))


class Launch(NamedTuple):
    """One launch: its kernel, and for every task the (address, bytes * 2 + written) of what it touched."""

    kernel: str
    tasks: list[np.ndarray]

    def ranges(self, task: int, kind: int) -> np.ndarray:
        """What one task read or wrote: (start, end) of runs of bytes, in order and apart."""
        trace = self.tasks[task]
        trace = trace[trace[:, 1] % 2 == kind]
        if not len(trace):
            return np.zeros((0, 2), np.int64)
        starts, ends = trace[:, 0], trace[:, 0] + trace[:, 1] // 2
        order = np.argsort(starts, kind="stable")
        starts, reached = starts[order], np.maximum.accumulate(ends[order])
        first = np.flatnonzero(np.r_[True, starts[1:] > reached[:-1]])
        return np.stack([starts[first], reached[np.r_[first[1:], len(starts)] - 1]], axis=1)

    def races(self) -> Iterator[str]:
        """Bytes that one task writes and another touches, in words."""
        written = [self.ranges(task, WRITTEN) for task in range(len(self.tasks))]
        read = [self.ranges(task, READ) for task in range(len(self.tasks))]
        for a, mine in enumerate(written):
            for b in range(len(self.tasks)):
                if b > a and (shared := _shared(mine, written[b])):
                    yield f"{self.kernel}: tasks {a} and {b} of {len(self.tasks)} both write {shared} runs of bytes"
                if b != a and (shared := _shared(mine, read[b])):
                    yield f"{self.kernel}: task {a} of {len(self.tasks)} writes {shared} runs of bytes that {b} reads"


def _shared(a: np.ndarray, b: np.ndarray) -> int:
    """How many runs of `a` overlap one of `b`."""
    if not len(a) or not len(b):
        return 0
    place = np.searchsorted(b[:, 1], a[:, 0], side="right")  # the first run of b that ends after the start of a
    found = place < len(b)
    return int((b[np.minimum(place, len(b) - 1), 0] < a[:, 1])[found].sum())


class Recorder:
    """Stands for the compiler and the launcher of the engine; made before the engine compiles anything."""

    def __init__(self) -> None:
        from fastconv.backends.fast.machine import jit

        self.names: dict[int, str] = {}
        self.launches: list[Launch] = []
        self.compiles = True  # otherwise names are noted, and nothing is compiled
        self._compile, self._kept = jit.c_function, []
        jit.c_function = self.c_function
        from fastconv.backends.fast.machine.launch import launch

        for module in [module for name, module in sys.modules.items() if name.startswith("fastconv.backends.fast.")]:
            if getattr(module, "launch", None) is launch:
                module.launch = self.launch  # type: ignore[attr-defined]

    def c_function(self, name: str, signature: str, function: Callable[..., None]) -> Any:
        """As `fastconv.backends.fast.machine.jit.c_function`, with notes before every access to memory.

        The optimised IR is kept beside the machine code: of a kernel that is on the disk, it is that of the file.
        """
        if not self.compiles:
            self.names[-len(self.names)] = name
            return SimpleNamespace(address=0)
        compiled = self._compile(name, signature, function)
        engine = _engine(instrumented_ir(str(compiled._library._get_module_for_linking())))
        address = engine.get_function_address(compiled.native_name)
        self._kept += [compiled, engine]
        self.names[address] = name
        return SimpleNamespace(address=address)

    def launch(self, kernel: int, arguments: np.ndarray, tasks: int, *rest: Any) -> None:
        """As `fastconv.backends.fast.machine.launch.launch`, task after task, and in one slice."""
        function = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64)(kernel)
        traces = []
        for task in range(tasks):
            _count[0] = 0
            function(arguments.ctypes.data, task)
            assert _count[0] <= CAPACITY, f"{self.names[kernel]}: {_count[0]} accesses of one task"
            traces.append(_trace[: _count[0]].copy())
        self.launches.append(Launch(self.names[kernel], traces))


def _engine(ir: str) -> Any:
    module = binding.parse_assembly(ir)
    module.verify()
    machine = binding.Target.from_default_triple().create_target_machine(
        cpu=binding.get_host_cpu_name(),
        features=binding.get_host_cpu_features().flatten(),
        opt=0,  # the IR is optimised; what is made of it runs once, and takes half as long to make
        codemodel="jitdefault",
        jit=True,
    )
    engine = binding.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    return engine
