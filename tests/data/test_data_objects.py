"""Pickles of objects, read without making any: attributes and names alone, and nothing is called."""

from __future__ import annotations

import builtins
import collections
import io
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_files import Malicious, pickled

from fastconv.data.unpickling import load_arrays
from fastconv.errors import DataError

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


class Net:
    """What somebody's model may look like."""

    def __init__(self) -> None:
        self.params = collections.OrderedDict(W=np.arange(6, dtype=np.float32).reshape(2, 3), b=np.zeros(0))
        self.dtype: Any = np.float32
        self.other_dtype = np.dtype(">f8")
        self.numbers = [np.float64(2.5), np.int64(-3), np.bool_(True), np.array(4.5)]
        self.part = Part()


class Part:
    """Without attributes of its own."""


class Slotted:
    __slots__ = ("weight",)

    def __init__(self) -> None:
        self.weight = 3


def read(content: bytes) -> Any:
    return load_arrays("read", "a.pickle", io.BytesIO(content), objects=True)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_objects_are_their_attributes(protocol: int) -> None:
    content = read(pickled({"model": Net(), "rule": np.save, "kind": Net}, protocol))
    model = content["model"]
    assert model.keys() == {"params", "dtype", "other_dtype", "numbers", "part"}
    np.testing.assert_array_equal(model["params"]["W"], [[0, 1, 2], [3, 4, 5]])
    assert model["params"]["W"].dtype == np.float32
    assert (model["dtype"], model["part"]) == ("numpy.float32", {})
    assert model["other_dtype"] == np.dtype(">f8")
    assert model["numbers"][:3] == [2.5, -3, True]
    assert [type(number) for number in model["numbers"]] == [np.float64, np.int64, np.bool_, np.ndarray]
    assert (content["rule"], content["kind"]) == ("numpy.save", f"{Net.__module__}.Net")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_numbers_of_numpy_need_no_objects(protocol: int) -> None:
    content = load_arrays("read", "a.pickle", io.BytesIO(pickled([np.float32(0.5)], protocol)))
    assert content == [0.5]
    assert content[0].dtype == np.float32
    with pytest.raises(DataError, match=r"asks for test_data_objects.Net, which is not|_reconstructor, which is not"):
        load_arrays("read", "a.pickle", io.BytesIO(pickled(Net(), protocol)))


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("function", "arguments", "named"),
    [
        (os.system, ("touch {}",), rf"{os.name}.system"),
        (builtins.eval, ("open('{}', 'w')",), "(builtins|__builtin__).eval"),
        (builtins.open, ("{}", "w"), "(io|_io|builtins|__builtin__).open"),
        (np.load, ("{}",), "numpy.load"),
        (Part, (), r"test_data_objects.Part"),
    ],
    ids=["system", "eval", "open", "load", "a class"],
)
def test_nothing_is_called(
    tmp_path: Path, function: Any, arguments: tuple[Any, ...], named: str, protocol: int
) -> None:
    touched = tmp_path / "touched"
    call = Malicious(function, *(one.format(touched) for one in arguments))
    with pytest.raises(DataError, match=rf"a.pickle must hold arrays.*asks for {named} to be called, which is not"):
        read(pickled({"model": [call]}, protocol))
    assert not touched.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x80\x02cos\nsystem\n)\x81(K\x01K\x02tb.", "attributes of a os.system must be a dictionary"),
        (b"\x80\x02ccopyreg\n_reconstructor\n(K\x01K\x02NtR.", "an object must have a class"),
        (b"\x80\x02ccopyreg\n_reconstructor\n(cnumpy\ndtype\nK\x02NtR.", "an object must have a class"),
        (b"\x80\x02ccollections\nOrderedDict\n(K\x01tR.", "damaged"),
        (b"\x80\x02cos\nsystem\nN}X\x06\x00\x00\x00dottedX\x01\x00\x00\x00xs\x86b.", "damaged"),
        (b"\x80\x02ccollections\nOrderedDict\n.", "a function where arrays"),
        (b"\x80\x02cos\nsystem\n)\x81q\x00}X\x01\x00\x00\x00ah\x00sb.", "a container that holds itself"),
    ],
)
def test_crafted_pickles(content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(content)


def test_slots_are_refused() -> None:
    with pytest.raises(DataError, match=r"the attributes of a test_data_objects.Slotted must be a dictionary"):
        read(pickled(Slotted()))
