"""Functions that jitted code calls stay where it sees them."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import fastconv as fc
from fastconv.testing import assert_close

pytest.importorskip("numba")

# For one kind of arrays, so that Numba compiles once: other calls raise, and are left to it.
CONV = """
import numpy as np
from numba import njit

@njit("f8[:,:,:,:](f8[:,:,:,:], f8[:,:,:,:])")
def conv2d(x, k):
    N, C, H, W = x.shape
    F, _, KH, KW = k.shape
    y = np.zeros((N, F, H - KH + 1, W - KW + 1))
    for n in range(N):
        for f in range(F):
            for i in range(y.shape[2]):
                for j in range(y.shape[3]):
                    for c in range(C):
                        for a in range(KH):
                            for b in range(KW):
                                y[n, f, i, j] += k[f, c, a, b] * x[n, c, i + a, j + b]
    return y
"""
CALLER = """
@njit
def two_layers(x, k1, k2):
    return conv2d(conv2d(x, k1), k2)
"""
CLOSURE = """
def made():
    @njit
    def hidden(x, k1, k2):
        return conv2d(conv2d(x, k1), k2)

    @njit
    def outer(x, k1, k2):
        return hidden(x, k1, k2)

    return outer

two_layers = made()
"""
OTHER = "import {name}\nfrom numba import njit\n" + CALLER.replace("conv2d", "{name}.conv2d")
x, k1, k2 = (np.random.default_rng(0).random(shape) for shape in ((1, 2, 8, 7), (3, 2, 3, 3), (2, 3, 3, 2)))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder from which modules are imported, and forgotten afterwards."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", "") and str(tmp_path) in str(sys.modules[name].__file__):
            del sys.modules[name]


def imported(folder: Path, name: str, source: str) -> ModuleType:
    (folder / f"{name}.py").write_text(source, encoding="utf-8")
    importlib.invalidate_caches()
    return importlib.import_module(name)


@pytest.mark.parametrize("caller", [CALLER, CLOSURE])
def test_what_jitted_code_calls_is_left(folder: Path, caller: str) -> None:
    module = imported(folder, "jitted_chain", CONV + caller)
    before = module.conv2d
    accelerated = fc.accelerate(module, on_mismatch="skip")
    assert list(accelerated) == []
    name = "hidden" if caller is CLOSURE else "two_layers"
    assert str(accelerated.refused["conv2d"]) == f"jitted code calls it ({name}), and can call compiled functions alone"
    assert "conv2d  left as it is: jitted code calls it" in repr(accelerated)
    assert module.conv2d is before
    if caller is CALLER:
        assert module.two_layers(x, k1, k2).shape == (1, 2, 4, 4)
        with pytest.warns(fc.errors.AccelerationWarning, match="conv2d was left as it is: jitted code calls it"):
            fc.accelerate(module)


def test_what_jitted_code_of_another_module_calls_is_left(folder: Path) -> None:
    module = imported(folder, "jitted_base", CONV)
    imported(folder, "jitted_user", OTHER.format(name="jitted_base"))
    accelerated = fc.accelerate(module.conv2d, on_mismatch="skip")
    assert "two_layers" in str(accelerated.refused["conv2d"])


def test_what_no_jitted_code_calls_is_replaced(folder: Path) -> None:
    source = CONV + "\n@njit\ndef scaled(conv2d):\n    return 2 * conv2d\n\ndef plain(x, k):\n    return conv2d(x, k)\n"
    module = imported(folder, "jitted_alone", source)
    expected = module.plain(x, k1)
    with fc.accelerate(module, on_mismatch="raise") as accelerated:
        assert list(accelerated) == ["conv2d"]
        assert_close(module.plain(x, k1), expected)
        assert module.scaled(2.0) == 4.0


def test_everywhere_stops_at_jitted_code(folder: Path) -> None:
    module = imported(folder, "jitted_lib", CONV)
    caller = "from jitted_lib import conv2d\n"
    jitted = imported(folder, "jitted_copy", f"{caller}from numba import njit\n{CALLER}")
    plain = imported(folder, "plain_copy", caller)
    with fc.accelerate(module, everywhere=True, on_mismatch="raise") as accelerated:
        assert plain.conv2d is module.conv2d is accelerated.fast["conv2d"]
        assert jitted.conv2d is accelerated["conv2d"]
        assert accelerated.elsewhere == ("jitted_copy.conv2d",)
