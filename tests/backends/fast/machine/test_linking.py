"""Helpers are compiled as far as kernels need it, and are nothing but a part of these."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from strategies import BACKENDS

pytestmark = pytest.mark.skipif("fast" not in BACKENDS, reason="the fast backend needs Numba")


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, tuple[Any, ...]]:
    """A kernel of a helper that calls another, compiled here, and the two."""
    from fastconv.backends.fast.machine import jit
    from fastconv.backends.fast.machine.intrinsics import store_integer

    if jit.INTERPRETED:
        pytest.skip("nothing is compiled")
    monkeypatch.setenv("FASTCONV_CACHE", str(tmp_path))

    @jit.helper
    def inner(number: Any) -> Any:
        return number * 3 if number > 4 else number + 1

    @jit.helper
    def outer(number: Any) -> Any:
        return inner(number) - inner(number + 2)

    def linked(args: Any, task: Any) -> None:
        store_integer(args, 0, outer(task))

    return jit.c_function("linked", "void(intp, intp)", linked), (inner, outer)


def functions(library: Any) -> list[str]:
    """Names of the functions that there is code of in a library."""
    return [function.name for function in library.get_defined_functions()]


def test_a_kernel_with_helpers_computes_what_they_say(kernel: Any) -> None:
    compiled, _ = kernel
    result = np.zeros(1, np.int64)
    for task, expected in ((1, 2 - 4), (3, 4 - 15), (5, 15 - 21)):
        compiled.ctypes(result.ctypes.data, task)
        assert result[0] == expected


def test_machine_code_is_made_of_kernels_alone(kernel: Any) -> None:
    compiled, helpers = kernel
    for helper in helpers:
        (overload,) = helper.overloads.values()
        assert functions(overload.library) == []
        assert overload.library.get_pointer_to_function(overload.fndesc.mangled_name) == 0
    assert len(functions(compiled._library)) == 2, "the function and its C form, with all helpers in them"


def test_the_collector_waits_while_a_kernel_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    from fastconv.backends.fast.machine import jit

    seen: list[bool] = []
    monkeypatch.setattr(jit.CFunc, "compile", lambda self: seen.append(gc.isenabled()))
    monkeypatch.setattr(jit, "INTERPRETED", False)
    for before in (True, False):
        (gc.enable if before else gc.disable)()
        try:
            jit.c_function("waiting", "void(intp, intp)", lambda args, task: None)
            assert gc.isenabled() is before
        finally:
            gc.enable()
    assert seen == [False, False]
