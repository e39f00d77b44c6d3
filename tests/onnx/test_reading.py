"""Files that are wrong: each is refused with the name of the node or value, before anything is computed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastconv as fc
from fastconv.errors import FastconvError, MemoryLimitError, ModelFileError

onnx = pytest.importorskip("onnx")
from tests.support.onnx_files import model, node  # noqa: E402 - which imports onnx

X = {"x": ("N", 3)}
WEIGHT = np.arange(3, dtype=np.float32)


def _sum(**options: Any) -> Any:
    return model([node("Add", "x w", "y", "sum")], X, ["y"], {"w": WEIGHT}, **options)


def _refused(proto: Any, words: str) -> None:
    with pytest.raises(ModelFileError, match=words):
        fc.onnx.load(proto)


def test_nodes_are_sorted() -> None:
    nodes = [node("Add", "b w", "y", "last"), node("Add", "a w", "b"), node("Add", "x w", "a", "first")]
    loaded = fc.onnx.load(model(nodes, X, ["y"], {"w": WEIGHT}), optimize=False)
    assert loaded.layer_names == ["first", "Add_1", "last"]
    np.testing.assert_array_equal(loaded.run([np.zeros((2, 3))])[0], [3 * WEIGHT] * 2)


def test_nodes_of_one_name_are_told_apart() -> None:
    nodes = [node("Add", "x w", "a", "sum"), node("Add", "a w", "y", "sum")]
    assert fc.onnx.load(model(nodes, X, ["y"], {"w": WEIGHT})).layer_names == ["sum_0", "sum_1"]


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ([node("Add", "b w", "a", "p"), node("Add", "a w", "b", "q"), node("Add", "b w", "y")], "'q', 'p'|'p', 'q'"),
        ([node("Add", "x gone", "y", "sum")], "node 'sum' .Add. reads 'gone'"),
        ([node("Add", "x w", "z")], "output 'y' must come from"),
        ([node("Add", "x w", "y", "p"), node("Add", "x w", "y", "q")], "'y' must come from one place.*'p'.*'q'"),
        ([node("Add", "x w", "w"), node("Add", "x w", "y")], "'w' must come from one place, but is an initialiser"),
        ([node("Add", "x w", "x"), node("Add", "x w", "y")], "'x' must come from one place, but is an input"),
        ([node("Add", "x", "y", "sum")], "'sum' .Add. must have 2 inputs, but has 1"),
        ([node("Add", "x _", "y", "sum")], "'sum' .Add. must have its input B"),
        ([node("Add", "x w", "y", "sum", odd=1)], "'sum' .Add. has an attribute 'odd'"),
    ],
)
def test_graphs_that_are_none(nodes: list[Any], words: str) -> None:
    _refused(model(nodes, X, ["y"], {"w": WEIGHT}), words)


def test_all_missing_operators_are_named_with_their_nodes() -> None:
    nodes = [node("Loop", "x w", "a", "once"), node("Det", "a", "b", "p"), node("Det", "b", "c", "q")]
    nodes.append(onnx.helper.make_node("Add", ["c", "w"], ["y"], domain="com.example"))
    _refused(
        model(nodes, X, ["y"], {"w": WEIGHT}), r"Det \(p, q\); Loop \(once\); com.example.Add \(com.example.Add_3\)"
    )


@pytest.mark.parametrize("opset", [6, 99])
def test_versions_that_are_not_there(opset: int) -> None:
    _refused(_sum(opset=opset), f"operator set must be one from 7 to .*, but got {opset}")


@pytest.mark.parametrize("kind", ["STRING", "BFLOAT16", "FLOAT8E4M3FN", "INT4", "COMPLEX64"])
def test_dtypes_that_are_not_there(kind: str) -> None:
    proto = _sum()
    proto.graph.initializer[0].data_type = getattr(onnx.TensorProto, kind)
    _refused(proto, f"initialiser 'w' must be of floats.*but is {kind}")
    proto = _sum()
    proto.graph.input[0].type.tensor_type.elem_type = getattr(onnx.TensorProto, kind)
    _refused(proto, f"input 'x' must be of floats.*but is {kind}")


def test_shapes_that_are_not_those_of_the_bytes() -> None:
    proto = _sum()
    proto.graph.initializer[0].dims[0] = 4
    _refused(proto, "initialiser 'w' must have 16 bytes for its shape .4,., but has 12")
    proto.graph.initializer[0].dims[0] = -3
    _refused(proto, "initialiser 'w' must have sizes of at least 0")
    proto.graph.initializer[0].dims[:] = [2**40, 3]
    with pytest.raises(MemoryLimitError, match="initialiser 'w' must fit into memory"):
        fc.onnx.load(proto)


@pytest.mark.parametrize(
    "dtype", [np.float16, np.float32, np.float64, np.int8, np.uint16, np.int32, np.int64, np.bool_]
)
def test_numbers_that_are_no_raw_bytes(dtype: Any) -> None:
    proto, numbers = _sum(dtype=dtype), np.array([0, 1, 1], dtype)
    kind = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    proto.graph.initializer[0].CopyFrom(onnx.helper.make_tensor("w", kind, [3], numbers))
    assert not proto.graph.initializer[0].raw_data
    loaded = fc.onnx.load(proto, optimize=False).graph.constants["w"]
    assert loaded.dtype == dtype
    np.testing.assert_array_equal(loaded, numbers)


def test_sparse_initialisers() -> None:
    proto = model([node("Add", "x w", "y")], {"x": (2, 3)}, ["y"])
    numbers = onnx.numpy_helper.from_array(np.array([5, 7], np.float32), "w")
    for indices in (np.array([1, 5]), np.array([[0, 1], [1, 2]])):
        del proto.graph.sparse_initializer[:]
        places = onnx.numpy_helper.from_array(indices.astype(np.int64))
        proto.graph.sparse_initializer.append(onnx.helper.make_sparse_tensor(numbers, places, [2, 3]))
        np.testing.assert_array_equal(fc.onnx.load(proto).run([np.zeros((2, 3))])[0], [[0, 5, 0], [0, 0, 7]])
    proto.graph.sparse_initializer[0].dims[:] = [2, 2]
    _refused(proto, "'w' must have indices within its shape")


def test_sparse_initialisers_that_are_nearly_all_zeros() -> None:
    proto = _sum()
    del proto.graph.initializer[:]
    number, place = (onnx.helper.make_tensor("w", kind, [1], [1]) for kind in (1, 7))
    proto.graph.sparse_initializer.append(onnx.helper.make_sparse_tensor(number, place, [3]))
    fc.onnx.load(proto)
    for index in range(5):
        number.name = f"w{index}"
        proto.graph.sparse_initializer.append(onnx.helper.make_sparse_tensor(number, place, [2**22]))
    _refused(proto, "initialiser 'w4' must have one number in 1000 given, .* has 1 of shape")


def test_initialisers_that_are_inputs_may_be_given() -> None:
    proto = model([node("Add", "x w", "y")], {**X, "w": (3,)}, ["y"], {"w": WEIGHT})
    loaded = fc.onnx.load(proto, optimize=False)
    assert [one.name for one in loaded.inputs] == ["x"]
    x = np.zeros((1, 3), np.float32)
    np.testing.assert_array_equal(loaded.run({"x": x})[0], [WEIGHT])
    np.testing.assert_array_equal(loaded.run({"x": x, "w": WEIGHT + 1})[0], [WEIGHT + 1])
    with pytest.raises(ValueError, match="inputs must be x, but got x, w"):
        fc.onnx.load(proto).run({"x": x, "w": WEIGHT})


def test_functions_of_a_model_are_put_in_their_places() -> None:
    body = [node("Add", "a a", "b"), node("Add", "b a", "c")]
    made = onnx.helper.make_function("own", "Thrice", ["a"], ["c"], body, [onnx.helper.make_opsetid("", 13)])
    proto = _sum()
    proto.graph.node.insert(0, onnx.helper.make_node("Thrice", ["x"], ["z"], domain="own"))
    proto.graph.node[1].input[0] = "z"
    proto.opset_import.append(onnx.helper.make_opsetid("own", 1))
    proto.functions.append(made)
    np.testing.assert_array_equal(fc.onnx.load(proto).run([np.ones((1, 3))])[0], [WEIGHT + 3])
    made.node.append(onnx.helper.make_node("Thrice", ["a"], ["d"], domain="own"))
    proto.functions[0].CopyFrom(made)
    _refused(proto, "function 'Thrice' must not call itself")


def test_functions_that_grow_without_end_are_counted_first() -> None:
    proto = _sum()
    proto.opset_import.append(onnx.helper.make_opsetid("own", 1))
    for i in range(40):
        call = (f"F{i + 1}", "own") if i < 39 else ("Neg", "")
        body = [onnx.helper.make_node(call[0], [a], [b], domain=call[1]) for a, b in ("ab", "bc")]
        own = [onnx.helper.make_opsetid("", 13), onnx.helper.make_opsetid("own", 1)]
        proto.functions.append(onnx.helper.make_function("own", f"F{i}", ["a"], ["c"], body, own))
    proto.graph.node.insert(0, onnx.helper.make_node("F0", ["x"], ["z"], domain="own"))
    _refused(proto, "its functions must have at most")


def _external(folder: Path, location: str, **about: int) -> str:
    proto = _sum()
    tensor = proto.graph.initializer[0]
    onnx.external_data_helper.set_external_data(tensor, location, **about)
    tensor.ClearField("raw_data")
    (folder / "m.onnx").write_bytes(proto.SerializeToString())
    return str(folder / "m.onnx")


def test_tensors_in_a_file_beside_the_model(tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(b"head" + WEIGHT.tobytes() + b"tail")
    path = _external(tmp_path, "w.bin", offset=4, length=12)
    np.testing.assert_array_equal(fc.onnx.load(path).run([np.zeros((1, 3))])[0], [WEIGHT])
    _refused(Path(path).read_bytes(), "initialiser 'w' lies in another file .'w.bin'.. Pass the path")


@pytest.mark.parametrize(
    ("location", "about", "words"),
    [
        ("../w.bin", {}, "must lie in the folder of the model"),
        ("..\\w.bin", {}, "must lie in the folder of the model"),
        ("C:\\w.bin", {}, "must lie in the folder of the model"),
        ("/etc/passwd", {}, "must lie in the folder of the model"),
        ("out.bin", {}, "must lie in the folder of the model"),
        ("", {}, "must lie in the folder of the model"),
        ("a\0b", {}, "must lie in the folder of the model"),
        (".", {}, "there is no such file"),
        ("gone.bin", {}, "there is no such file"),
        ("w.bin", {"offset": 4}, "must lie within .*12 bytes.*12 bytes at 4"),
        ("w.bin", {"offset": -4}, "must lie within"),
        ("w.bin", {"length": 8}, "must have 12 bytes for its shape .3,., but has 8"),
    ],
)
def test_tensors_that_lie_elsewhere(tmp_path: Path, location: str, about: dict[str, int], words: str) -> None:
    folder = tmp_path / "inside"
    folder.mkdir()
    for place in (folder, tmp_path):
        (place / "w.bin").write_bytes(WEIGHT.tobytes())
    os.symlink(tmp_path / "w.bin", folder / "out.bin")
    _refused(_external(folder, location, **about), words)


def test_tensors_that_all_have_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(WEIGHT.tobytes())
    path = Path(_external(tmp_path, "w.bin"))
    proto = onnx.load(path, load_external_data=False)
    for count in range(30):
        (copy := proto.graph.initializer.add()).CopyFrom(proto.graph.initializer[0])
        copy.name = f"w{count}"
    path.write_bytes(proto.SerializeToString())
    _refused(str(path), "initialiser 'w.*' must have bytes of its own in .*w.bin")


def test_a_file_that_is_too_large_for_a_message(tmp_path: Path) -> None:
    with (tmp_path / "large.onnx").open("wb") as stream:
        stream.truncate(2**31 + 1)  # a hole
    _refused(str(tmp_path / "large.onnx"), r"large\.onnx: it must have at most 2147483648 bytes")


def test_what_is_no_model(tmp_path: Path) -> None:
    _refused(b"no model", "cannot be parsed|has no graph")
    _refused(b"", "has no graph")
    with pytest.raises(FileNotFoundError):
        fc.onnx.load(tmp_path / "gone.onnx")
    with pytest.raises(TypeError, match="source must be a path, bytes or a ModelProto"):
        fc.onnx.load(3)


def test_names_that_are_no_text() -> None:
    data = model([node("Add", "x w", "y", "name")], X, ["y"], {"w": WEIGHT}).SerializeToString()
    _refused(data.replace(b"name", b"n\xffme"), "names must be UTF-8")


def test_damaged_files_run_or_say_so() -> None:
    good = _sum().SerializeToString()
    rng, x = np.random.default_rng(0), np.zeros((2, 3), np.float32)
    refused = 0
    for _ in range(500):
        data = bytearray(good)
        for place in rng.integers(len(data), size=rng.integers(1, 4)):
            data[place] ^= 1 << rng.integers(8)
        try:
            fc.onnx.load(bytes(data[: rng.integers(len(data))] if rng.random() < 0.2 else data)).run([x])
        except FastconvError:
            refused += 1
    assert 50 < refused < 500
