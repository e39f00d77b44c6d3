"""The tests that the package ``onnx`` carries: small models, mostly of one node, with inputs and outputs."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper, version_converter

import fastconv.onnx.operators  # noqa: F401 - registers them
from fastconv.onnx.registry import lookup

KINDS = ("node", "simple", "pytorch-converted", "pytorch-operator")
OLDEST = 7  # operator set; the package itself rewrites models of older ones

# Operators of the package that are not those of convolutional networks, and those of newer packages than this was
# written with.
OUTSIDE = {
    "language models": """Attention CausalConvWithState LinearAttention RotaryEmbedding TensorScatter
        ai.onnx.preview.FlexAttention""",
    "recurrent networks": "GRU LSTM RNN",
    "control flow, sequences and what may be missing": """ConcatFromSequence If Loop OptionalGetElement
        OptionalHasElement Scan SequenceAt SequenceConstruct SequenceEmpty SequenceErase SequenceInsert SequenceLength
        SequenceMap SplitToSequence""",
    "training": """NegativeLogLikelihoodLoss SoftmaxCrossEntropyLoss ai.onnx.preview.training.Adagrad
        ai.onnx.preview.training.Adam ai.onnx.preview.training.Gradient ai.onnx.preview.training.Momentum""",
    "random numbers": "Bernoulli RandomUniformLike",
    "text": "RegexFullMatch StringConcat StringNormalizer StringSplit TfIdfVectorizer",
    "other models than networks": """ai.onnx.ml.ArrayFeatureExtractor ai.onnx.ml.Binarizer ai.onnx.ml.LabelEncoder
        ai.onnx.ml.TreeEnsemble""",
    "signals": "BlackmanWindow DFT HammingWindow HannWindow MelWeightMatrix STFT",
    "regions of images, and files of them": "AffineGrid DeformConv ImageDecoder NonMaxSuppression RoiAlign",
    "matrices, sets and bits": "BitCast Det EyeLike Unique",
}
NEWEST = 28
NOT_REWRITTEN = ("test_PReLU_1d_multiparam", "test_PReLU_2d_multiparam", "test_PReLU_3d_multiparam")
# Sums of int8 wrapped round, and cells beyond the padding counted, when older packages were made.
RIGHT_SINCE = (1, 23)
RECORDED_WRONG = frozenset(f"test_qlinearmatmul_{rank}D_int8_float{bits}" for rank in (2, 3) for bits in (16, 32)) | {
    "test_averagepool_3d_dilations_large_count_include_pad_is_1_ceil_mode_is_True"
}
_GROUPS = {operator: group for group, operators in OUTSIDE.items() for operator in operators.split()}

# Types that NumPy has.
NUMBERS = frozenset(
    getattr(onnx.TensorProto, name)
    for name in "UNDEFINED FLOAT FLOAT16 DOUBLE BOOL INT8 INT16 INT32 INT64 UINT8 UINT16 UINT32 UINT64".split()  # noqa: SIM905
)


@dataclass(frozen=True)
class Case:
    """A model, and what it gives for some inputs."""

    name: str
    found: Any
    data_sets: tuple[tuple[list[Any], list[Any]], ...]
    rtol: float
    atol: float

    @cached_property
    def model(self) -> Any:
        """The model, in an operator set that is read."""
        return version_converter.convert_version(self.found, OLDEST) if self.opset < OLDEST else self.found

    @property
    def opset(self) -> int:
        """Version of the usual domain."""
        return max((one.version for one in self.found.opset_import if one.domain in ("", "ai.onnx")), default=1)

    @property
    def operators(self) -> set[str]:
        """Operators of its nodes, with the domain in front where it is not the usual one."""
        return {_operator(node) for node in self.found.graph.node}

    @property
    def numbers(self) -> int:
        """How many numbers it is fed with."""
        return sum(value.size for inputs, _ in self.data_sets for value in inputs)

    def reason(self) -> str | None:
        """Why it is not run, in a few words, if it is not."""
        missing = sorted(name for name in self.operators if lookup(name, max(self.opset, OLDEST)) is None)
        if missing:
            return f"{_group(missing, self.opset)} ({', '.join(missing)})"
        if self.name in NOT_REWRITTEN:
            return f"slopes that the package leaves as they were before operator set {OLDEST}"
        if self.name in RECORDED_WRONG and tuple(map(int, onnx.__version__.split(".")[:2])) < RIGHT_SINCE:
            return f"wrong outputs in packages before {'.'.join(map(str, RIGHT_SINCE))}"
        values = [*self.found.graph.input, *self.found.graph.output]
        kinds = {value.type.WhichOneof("value") for value in values} - {"tensor_type"}
        if kinds:
            return f"values that are no arrays ({', '.join(sorted(map(str, kinds)))})"
        types = sorted(onnx.TensorProto.DataType.Name(number) for number in set(_types(self.found)) - NUMBERS)
        return f"numbers that NumPy does not have ({', '.join(types)})" if types else None


@cache
def cases() -> tuple[Case, ...]:
    """All that the package has with it, in the order of their names."""
    from onnx.backend.test.loader import load_model_tests

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some overflow on purpose
        found = [_case(one) for kind in KINDS for one in load_model_tests(kind=kind)]
    return tuple(sorted(found, key=lambda case: case.name))


def _case(found: Any) -> Case:
    """A case with its arrays: older versions of the package have all of them in files."""
    if found.model is not None:
        model, data_sets = found.model, found.data_sets
    else:
        folder = Path(found.model_dir)
        model = onnx.load(folder / "model.onnx")
        data_sets = [_read(model, one) for one in sorted(folder.glob("test_data_set_*"))]
    arrays = tuple(([_array(one) for one in inputs], [_array(one) for one in outputs]) for inputs, outputs in data_sets)
    return Case(found.name, model, arrays, found.rtol, found.atol)


def _read(model: Any, folder: Path) -> tuple[list[Any], ...]:
    """What goes into a model and comes out, as a folder has it: inputs that are weights have no files."""
    return tuple(
        [_message(value.type, path) for i, value in enumerate(values) if (path := folder / f"{name}_{i}.pb").exists()]
        for name, values in (("input", model.graph.input), ("output", model.graph.output))
    )


def _message(kind: Any, path: Path) -> Any:
    """A tensor of a file, or None where it is something else."""
    return onnx.TensorProto.FromString(path.read_bytes()) if kind.WhichOneof("value") == "tensor_type" else None


def _array(value: Any) -> Any:
    """An array of a message, or of what is one already; of a sequence, one of objects."""
    if isinstance(value, onnx.TensorProto):
        return numpy_helper.to_array(value)
    return np.asarray(value, None if isinstance(value, (np.ndarray, np.generic)) else object)


def _operator(node: Any) -> str:
    return node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}"


def _group(missing: list[str], opset: int) -> str:
    """What operators that are not there are for."""
    groups = sorted({_GROUPS[name] for name in missing if name in _GROUPS})
    if len(groups) == 0 and opset > NEWEST:
        return f"after operator set {NEWEST}"
    return "; ".join(groups)


def _types(model: Any) -> Iterator[int]:
    """Types of numbers in a graph: of what goes in and comes out, of weights, and what nodes are asked for."""
    graph = model.graph
    for value in (*graph.input, *graph.output, *graph.value_info):
        yield value.type.tensor_type.elem_type
    for weight in graph.initializer:
        yield weight.data_type
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.name in ("to", "output_dtype"):
                yield attribute.i
            if attribute.HasField("t"):
                yield attribute.t.data_type
