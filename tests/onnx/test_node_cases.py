"""Every test of the ONNX project that is about our operators, on every backend.

Each runs twice through one model: the second time, it may be replayed.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from documentation import generate_into
from programs import ROOT

import fastconv as fc

onnx = pytest.importorskip("onnx")

from onnx_node_cases import OUTSIDE, Case, cases  # noqa: E402 - it needs the package

from fastconv.onnx.registry import OPERATORS  # noqa: E402

SMALL = 300  # numbers up to which naive runs a case, in less than a tenth of a second
LEAST = {"1.23": 1392}  # cases that run, by version of the package
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
    assert len(CASES) >= LEAST.get(version, 0)


def test_what_does_not_run_has_a_reason() -> None:
    unexplained = [case.name for case in cases() if (case.reason() or "some").startswith(" ")]
    assert not unexplained


def test_what_is_said_not_to_be_there_is_not() -> None:
    assert not set(" ".join(OUTSIDE.values()).split()) & set(OPERATORS)


def test_the_table_of_the_documentation_is_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generate_into(tmp_path, monkeypatch).main("operators")
    table = (tmp_path / "operators.md").read_text(encoding="utf-8")
    kept = (ROOT / "docs/generated/operators.md").read_text(encoding="utf-8")
    if f"onnx {onnx.__version__} " in kept:
        assert table == kept, "run: python docs/generate.py operators"
    else:  # another version has other models
        assert operators_and_versions(table) == operators_and_versions(kept)


def operators_and_versions(table: str) -> list[list[str]]:
    return [line.split("|")[1:3] for line in table.splitlines() if line.startswith("|")]
