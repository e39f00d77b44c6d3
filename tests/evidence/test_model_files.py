"""Model files of ONNX: compared on two backends, and as cases of a contest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from programs import SUPPORT
from strategies import BACKENDS

import fastconv as fc
from fastconv.errors import InvalidValueError
from fastconv.evidence.contest.engines.base import Refusal
from fastconv.evidence.contest.engines.networks.base import NetworkEngine
from fastconv.evidence.contest.engines.networks.own import FastconvNetworks
from fastconv.evidence.contest.networks import run_networks
from fastconv.evidence.contest.networks.cases import Case, cases
from fastconv.evidence.contest.networks.model_files import read_model_file, write_model_file
from fastconv.evidence.model_files import ModelComparison, ModelFile, compare_model_file, comparison
from fastconv.evidence.model_files.example import example, input_shape
from fastconv.evidence.model_files.model_file import work_of
from fastconv.onnx import Value
from fastconv.report import read_record

pytest.importorskip("onnx")
needs_fast = pytest.mark.skipif("fast" not in BACKENDS, reason="the fast backend needs Numba")

NET = fc.models.by_name("digits", filters=2, rng=0)


@pytest.fixture
def file(tmp_path: Path) -> str:
    fc.onnx.save(NET, tmp_path / "net.onnx", (1, 1, 8, 8))
    return str(tmp_path / "net.onnx")


def test_two_backends_agree_and_the_record_is_read_again(file: str) -> None:
    found = compare_model_file(file, backends=("naive", "numpy"), batch=3, repeats=1)
    assert found.ok
    assert found.inputs == {"input": (3, 1, 8, 8)}
    assert [(row.name, row.shape) for row in found.rows] == [("output", (3, 10))]
    assert 0 <= found.rows[0].of_tolerance < 1
    assert min(found.seconds, found.reference_seconds) > 0
    data = json.loads(found.to_json())
    assert str(read_record(ModelComparison, data)) == str(found)
    assert "naive" in str(found)


def test_a_difference_is_found(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run, calls = comparison._run, []

    def wrong(model: Any, inputs: Any) -> Any:
        calls.append(fc.get_backend())
        outputs = run(model, inputs)
        off = 1e-3 if calls[-1] == "naive" else 0.0
        return {name: y + off * np.abs(y).max() for name, y in outputs.items()}

    monkeypatch.setattr(comparison, "_run", wrong)
    found = compare_model_file(file, backends=("naive", "numpy"), repeats=1)
    assert not found.ok
    assert "must be within its tolerance" in found.report().failures[0]
    assert set(calls) == {"naive", "numpy"}


def test_open_sizes_are_filled_and_unknown_ones_named() -> None:
    float32 = np.dtype(np.float32)
    value = Value("x", float32, ("N", 3, "H", None))
    assert input_shape("summary", value, 2, (3, 5, 6)) == (2, 3, 5, 6)
    assert input_shape("summary", Value("x", float32, (4, 3, 8, 8)), 2) == (4, 3, 8, 8)
    assert input_shape("summary", Value("x", float32, None), 2, (7,)) == (2, 7)
    for unknown in (value, Value("x", float32, None)):
        with pytest.raises(InvalidValueError, match="compare: every size of the input 'x' must be known"):
            input_shape("compare", unknown, 1)
    drawn = example("compare", [Value("i", np.dtype(np.uint8), ("N", 2))], 3, 0)["i"]
    assert (drawn.shape, drawn.dtype) == ((3, 2), np.uint8)


def test_work_is_that_of_the_layers(file: str) -> None:
    work = work_of(ModelFile.of(file), 2, 0)
    assert work.multiply_adds == NET.multiply_adds((2, 1, 8, 8))
    assert work.parameters == sum(parameter.size for parameter in NET.parameters())
    with fc.use_backend("numpy"):
        np.testing.assert_allclose(work.y, NET.eval()(work.x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_file_is_a_case_that_is_checked(file: str, tmp_path: Path, backend: str) -> None:
    (case, _) = cases([ModelFile.of(file)], ("inference", "training"))
    assert str(case) == f"{tmp_path.name}/net.onnx inference batch 1"
    shared = write_model_file(case, ModelFile.of(file), 0, tmp_path)
    job = read_model_file(tmp_path, "inference")
    assert job is not None
    with fc.use_backend(backend):
        y = fc.onnx.load(job.path).run([job.x])[0]
    for off, share in ((0.0, (0, 1)), (1e-2, (1, 1e9))):
        np.save(tmp_path / "y.npy", y + off)
        (difference,) = shared.check("inference", {"y": str(tmp_path / "y.npy")}, ours=True)
        assert share[0] <= difference.of_tolerance <= share[1]
        assert "numpy backend" in difference.reference
    assert read_model_file(tmp_path / "elsewhere", "inference") is None


def test_an_engine_that_reads_no_files_says_so(file: str, tmp_path: Path) -> None:
    class Blind(NetworkEngine):
        def prepare(self, job: Any) -> Any:
            return {}

    write_model_file(Case(ModelFile.of(file), "inference", 1), ModelFile.of(file), 0, tmp_path)
    job = read_model_file(tmp_path, "inference")
    assert job is not None
    with pytest.raises(Refusal, match="Blind reads no model files"):
        Blind(1).prepare_file(job)


@needs_fast
def test_fastconv_and_onnx_runtime_run_the_file(file: str, tmp_path: Path) -> None:
    write_model_file(Case(ModelFile.of(file), "inference", 2), ModelFile.of(file), 0, tmp_path)
    job = read_model_file(tmp_path, "inference")
    assert job is not None
    engines: list[Any] = [FastconvNetworks(fc.get_num_threads())]
    try:
        from fastconv.evidence.contest.engines.networks.onnx_runtime import OnnxRuntimeNetworks

        engines.append(OnnxRuntimeNetworks(1))
    except ImportError:
        pass
    expected = NET.eval()(job.x)
    for engine in engines:
        (prepared,) = engine.prepare_file(job).values()
        found = prepared.results(prepared.run())
        assert set(found) == {"y"}
        np.testing.assert_allclose(found["y"], expected, rtol=1e-4, atol=1e-5)


@needs_fast
@pytest.mark.slow
def test_a_contest_of_a_file(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SUPPORT))
    found = run_networks([ModelFile.of(file)], engines=["contest_engines:RightFiles"], batch=2, rounds=1, seconds=1)
    (heat,) = found.heats
    assert found.ok
    assert {entry.engine for entry in heat.entries} == {"fastconv", "RightFiles"}
    assert heat.flops == 2 * NET.multiply_adds((2, 1, 8, 8))
    assert "The ladder of a network" not in str(found)
