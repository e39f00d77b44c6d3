"""Every test of the ONNX project that is about our operators, on every backend.

Each runs twice through one model: the second time, it may be replayed.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

import fastconv as fc

onnx = pytest.importorskip("onnx")

from onnx_node_cases import Case, cases  # noqa: E402 - it needs the package

SMALL = 300  # numbers up to which naive runs a case, in less than a tenth of a second
LEAST = {"1.23": 1371}  # cases that run, by version of the package
CASES = {case.name: case for case in cases() if case.reason() is None}


@pytest.mark.parametrize("backend", ["fast", "numpy", "naive"])
@pytest.mark.parametrize("name", CASES)
def test_outputs_are_those_of_the_case(name: str, backend: str) -> None:
    case = CASES[name]
    if backend == "naive" and case.numbers > SMALL:
        pytest.skip(f"{case.numbers} numbers are too many for plain loops")
    if backend == "fast":
        pytest.importorskip("numba")
    model = fc.onnx.load(case.model)
    for inputs, outputs in case.data_sets:
        for _ in range(2):
            with fc.use_backend(backend):
                results = model.run(inputs)
            assert len(results) == len(outputs)
            for result, expected in zip(results, outputs):
                assert_as_recorded(case, result, expected)


def assert_as_recorded(case: Case, result: np.ndarray, expected: np.ndarray) -> None:
    assert result.dtype == expected.dtype
    assert result.shape == expected.shape
    # several steps in float16 round differently where sums between them are more exact than those of the case
    rtol = max(case.rtol, 2 * np.finfo(np.float16).eps) if expected.dtype == np.float16 else case.rtol
    np.testing.assert_allclose(result, expected, rtol=rtol, atol=case.atol)


def test_so_many_run() -> None:
    version = ".".join(onnx.__version__.split(".")[:2])
    assert len(CASES) >= LEAST.get(version, 0), Counter(case.reason() for case in cases())
