"""`accelerate` of a module of CS231n names what replaces the whole course."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest
from loop_code import CS231N, load

import fastconv as fc
from fastconv.errors import InvalidValueError

INSTALL = "fastconv.compat.cs231n.install(replace=True)"


def test_nothing_in_it_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("cs231n.fast_layers")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    with pytest.raises(InvalidValueError) as raised:
        fc.accelerate(module)
    assert INSTALL in str(raised.value)


def test_its_loops_are_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    module = load(monkeypatch, CS231N.partition("def max_pool_forward")[0], "cs231n.layers")
    with fc.accelerate(module) as accelerated:
        assert INSTALL in repr(accelerated)


def test_of_other_modules_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    module = load(monkeypatch, CS231N.partition("def max_pool_forward")[0], "layers_of_mine")
    with fc.accelerate(module) as accelerated:
        assert "install" not in repr(accelerated)
