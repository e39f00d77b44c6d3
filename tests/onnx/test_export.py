"""Whole networks as files of ONNX, and what cannot be written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from programs import run

import fastconv as fc
from fastconv import layers as L
from fastconv.errors import InvalidTypeError, InvalidValueError
from fastconv.onnx.export import message

onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")

ROWS = (2, 6)
DEEPER = ("resnet32", "resnet44", "resnet34", "resnet50")  # than others of the same layers
HEAVY = ("alexnet", "vgg11", "vgg11-bn", "vgg16", "vgg16-bn")  # a quarter to half a gigabyte
SHAPES = {name: entry.input_shape for name, entry in fc.models.MODELS.items() if name not in (*DEEPER, *HEAVY)}
SMALL = [name for name, (_, height, _) in SHAPES.items() if height <= 64]
LARGE = [name for name in SHAPES if name not in SMALL]


def network() -> L.Sequential:
    inner = L.Residual({"body": L.Conv2d(4, 4, 3, padding=1, rng=1), "around": L.Identity()})
    named = {"conv": L.Conv2d(3, 4, 3, rng=0), "norm": L.BatchNorm2d(4), "block": inner, "drop": L.Dropout(rng=2)}
    return L.Sequential({**named, "flatten": L.Flatten(), "scores": L.Linear(4 * 5 * 6, 3, rng=3)})


IMAGES = (2, 3, 7, 8)


def result(proto: Any, x: Any) -> Any:
    runtime = pytest.importorskip("onnxruntime", reason="it is not installed")
    session = runtime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"input": x})[0]


def computed_alike(name: str, *batches: int) -> None:
    model, shape = fc.models.by_name(name, rng=0), fc.models.input_shape_of(name)
    proto = fc.onnx.to_model_proto(model, (1, *shape))
    read = fc.onnx.load(proto)
    for batch in batches:
        x = np.random.default_rng(0).standard_normal((batch, *shape), dtype=np.float32)
        with fc.use_backend("numpy"):
            y, again = L.predict(model, x), read.run([x])[0]
        tolerance = 2e-5 * np.abs(y).max()
        np.testing.assert_allclose(again, y, rtol=0, atol=tolerance)
        np.testing.assert_allclose(result(proto, x), y, rtol=0, atol=tolerance)


@pytest.mark.parametrize("name", SMALL)
def test_a_network_for_small_images_is_computed_alike(name: str) -> None:
    computed_alike(name, 1, 3)


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
def test_a_network_for_large_images_is_computed_alike(name: str) -> None:
    computed_alike(name, 1)


def test_the_file_is_what_the_message_is(tmp_path: Path) -> None:
    model, file = L.Sequential(network(), L.Linear(3, 400, rng=4)), tmp_path / "net.onnx"
    fc.onnx.save(model, str(file), IMAGES)
    onnx.checker.check_model(file, full_check=True)  # with all weights, also those that are large
    assert file.read_bytes() == fc.onnx.to_model_proto(model, IMAGES).SerializeToString()
    assert [*tmp_path.iterdir()] == [file]


def test_weights_and_nodes_have_the_names_of_the_layers() -> None:
    model = network()
    proto = fc.onnx.to_model_proto(model, IMAGES)
    weights = {one.name: onnx.numpy_helper.to_array(one) for one in proto.graph.initializer}
    state = {name: value for name, value in model.state_dict().items() if value.dtype.kind == "f"}
    assert weights.keys() == state.keys()
    for name, value in state.items():
        np.testing.assert_array_equal(weights[name], value)
    nodes = [node.name for node in proto.graph.node]
    expected = ["conv/Conv", "norm/BatchNormalization", "block.body/Conv", "block/Add"]
    assert nodes == [*expected, "flatten/Flatten", "scores/Gemm"]
    assert proto.graph.node[0].doc_string == repr(model["conv"])
    assert (proto.producer_name, proto.producer_version) == ("fastconv", fc.__version__)
    assert [one.version for one in proto.opset_import] == [17]


def sizes(value: Any) -> list[Any]:
    return [one.dim_param or one.dim_value for one in value.type.tensor_type.shape.dim]


@pytest.mark.parametrize(("dynamic", "batch"), [(True, "N"), (False, 2)])
def test_the_batch_may_vary_or_not(dynamic: bool, batch: Any) -> None:
    graph = fc.onnx.to_model_proto(network(), IMAGES, dynamic_batch=dynamic).graph
    assert sizes(graph.input[0]) == [batch, 3, 7, 8]
    assert sizes(graph.output[0]) == [batch, 3]
    assert {one.name: sizes(one) for one in graph.value_info}["block/Add"] == [batch, 4, 5, 6]
    assert [graph.input[0].name, graph.output[0].name] == ["input", "output"]


def test_a_size_that_the_batch_is_part_of_has_no_name() -> None:
    graph = fc.onnx.to_model_proto(L.Flatten(0, 1), IMAGES).graph
    assert sizes(graph.output[0]) == [0, 7, 8]


def test_evaluation_is_written_whatever_the_mode() -> None:
    model = network().train()
    before = model.state_dict()
    proto = fc.onnx.to_model_proto(model, IMAGES)
    assert model.training
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value, before[name])
    assert proto == fc.onnx.to_model_proto(model.eval(), IMAGES)


def test_layers_that_share_weights_share_the_array() -> None:
    first, second = L.Linear(6, 6, rng=0), L.Linear(6, 6, rng=1)
    second.weight = first.weight
    proto = fc.onnx.to_model_proto(L.Sequential(first, L.ReLU(), second), ROWS)
    assert [one.name for one in proto.graph.initializer] == ["0.weight", "0.bias", "2.bias"]


class Doubled(L.ReLU):
    """Another function of the same arguments."""

    def forward(self, x: Any) -> Any:
        return 2 * super().forward(x)


class Leaky(L.LeakyReLU):
    """Other arguments of the same function."""

    def __init__(self) -> None:
        super().__init__(0.3)


class Twice(L.Sequential):
    """A container whose trace is not what it does."""

    def forward(self, x: Any) -> Any:
        return super().forward(super().forward(x))


def test_a_class_with_other_arguments_is_written_as_what_it_is_derived_from() -> None:
    (node,) = fc.onnx.to_model_proto(Leaky(), ROWS).graph.node
    assert node.op_type == "LeakyRelu"
    assert node.attribute[0].f == np.float32(0.3)


def test_what_cannot_be_written_is_named_whole_and_nothing_is_written(tmp_path: Path) -> None:
    model = L.Sequential({"a": Doubled(), "b": L.Sequential(L.Tanh(), Doubled()), "c": Twice(L.Sigmoid())})
    file = tmp_path / "net.onnx"
    file.write_bytes(b"before")
    with pytest.raises(InvalidTypeError, match=r"got Doubled \(a\), Doubled \(b\.1\), Twice \(c\)\. Build it of those"):
        fc.onnx.save(model, file, ROWS)
    with pytest.raises(InvalidTypeError, match=r"got Doubled \(the model\)"):
        fc.onnx.to_model_proto(Doubled(), ROWS)
    assert file.read_bytes() == b"before"


def test_wrong_arguments() -> None:
    model = network()
    with pytest.raises(InvalidTypeError, match=r"onnx\.save: model must be a Layer, but got function"):
        fc.onnx.to_model_proto(test_wrong_arguments, IMAGES)  # type: ignore[arg-type]
    with pytest.raises(InvalidTypeError, match=r"onnx\.save: path must be a string or a path, but got 3"):
        fc.onnx.save(model, 3, IMAGES)  # type: ignore[arg-type]
    with pytest.raises(InvalidTypeError, match="input_shape must be a sequence of integers, batch included, but got 3"):
        fc.onnx.to_model_proto(model, 3)  # type: ignore[arg-type]
    with pytest.raises(InvalidValueError, match=r"input_shape must have a batch, but got \(\)"):
        fc.onnx.to_model_proto(model, ())
    with pytest.raises(InvalidValueError, match="every size of input_shape must be at least 1"):
        fc.onnx.to_model_proto(model, (0, 3, 7, 8))
    with pytest.raises(InvalidValueError, match="layer scores: Linear: the input must have shape"):
        fc.onnx.to_model_proto(model, (1, 3, 8, 8))
    with pytest.raises(InvalidTypeError, match="dynamic_batch"):
        fc.onnx.to_model_proto(model, IMAGES, dynamic_batch="N")  # type: ignore[arg-type]


def test_parameters_of_several_dtypes() -> None:
    model = network()
    model["scores"].cast("float64")
    with pytest.raises(InvalidValueError, match=r"one dtype, but got float32 and float64\. .*model\.cast\('float32'\)"):
        fc.onnx.to_model_proto(model, IMAGES)


def test_more_weights_than_a_message_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(message, "_LARGEST", 1000)
    with pytest.raises(InvalidValueError, match="the weights must have at most 1000 bytes, but got 2556"):
        fc.onnx.to_model_proto(network(), IMAGES)


def test_pools_that_cannot_be_undone() -> None:
    wide, uneven, later = L.MaxPool2d(2, padding=2, dilation=3), L.AdaptiveMaxPool2d(4), L.MaxPool2d(2)
    with pytest.raises(InvalidValueError, match="padding of a pool that is undone must be smaller than its kernel"):
        fc.onnx.to_model_proto(L.Sequential(wide, L.MaxUnpool2d(wide)), IMAGES)
    with pytest.raises(InvalidValueError, match=r"must divide the plane evenly, but layer '0' makes \(4, 4\) of"):
        fc.onnx.to_model_proto(L.Sequential(uneven, L.MaxUnpool2d(uneven)), IMAGES)
    with fc.use_backend("numpy"):
        later(np.zeros((1, 3, 14, 16)))
    with pytest.raises(InvalidValueError, match="the pool of a MaxUnpool must stand before it"):
        fc.onnx.to_model_proto(L.Sequential(L.MaxUnpool2d(later), later), IMAGES)


def test_without_the_package() -> None:
    code = """
    import fastconv as fc
    fc.onnx.save(fc.layers.ReLU(), "net.onnx", (1, 2))
    """
    assert 'pip install "fastconv[onnx]"' in run(code, blocked=("onnx",), fails=True)
