"""The contest of networks: the networks, what every engine builds from, the check, the report and the command."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from contest_engines import RightNetworks, WrongNetworks
from documentation import generate_into
from programs import FULL, ROOT, SUPPORT
from strategies import BACKENDS

from fastconv.backends.settings import get_num_threads
from fastconv.errors import InvalidValueError
from fastconv.evidence.contest.engines import NETWORKS_OF_OTHERS
from fastconv.evidence.contest.engines.networks.base import STEPS, NetworkEngine
from fastconv.evidence.contest.engines.networks.description import describe
from fastconv.evidence.contest.engines.networks.own import FastconvNetworks
from fastconv.evidence.contest.heats import Entry
from fastconv.evidence.contest.networks import NetworkContest, NetworkHeat, run_networks
from fastconv.evidence.contest.networks.cases import Case, cases
from fastconv.evidence.contest.networks.contest import plot_networks
from fastconv.evidence.contest.networks.shared import read_network, write_network
from fastconv.evidence.contest.networks.tables import ladder_table
from fastconv.evidence.environment import current_environment
from fastconv.evidence.networks import NETWORKS, Network, by_name
from fastconv.layers import AvgPool2d, Concat, Conv2d, Flatten, Identity, MaxPool2d, Sequential
from fastconv.report import MISSING, read_record

needs_fast = pytest.mark.skipif("fast" not in BACKENDS, reason="the fast backend needs Numba")

TINY = Network("tiny", "contest_engines:every_layer", (2, 16, 12), inference=(1, 3), training=((4, "sgd"), (4, "adam")))
SIGNAL = replace(by_name("signal"), input_shape=(1, 40), inference=(2,), training=((3, "sgd"),))
INSTALLED = [each.name for each in NETWORKS_OF_OTHERS if not each.missing]


@pytest.fixture(autouse=True)
def engines_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SUPPORT))


# the networks


@pytest.mark.parametrize(
    ("name", "parameters"),  # as counted in the papers' own networks, for so many classes
    [("mobilenet-v2", 2_236_682), ("resnet18", 11_689_512), ("squeezenet", 1_235_496), ("resnet20", 269_722)],
)
def test_networks_have_as_many_parameters_as_elsewhere(name: str, parameters: int) -> None:
    assert sum(parameter.size for parameter in by_name(name).make().parameters()) == parameters


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)
def test_networks_return_a_score_for_every_class(network: Network) -> None:
    shape = network.make().output_shape((3, *network.input_shape))
    assert shape[:2] == (3, network.classes)
    assert shape[2:] == (network.input_shape[1:] if network.name == "unet" else ())


def test_networks_are_drawn_from_a_seed() -> None:
    first, same, other = (by_name("signal").make(seed).state_dict() for seed in (3, 3, 4))
    assert all(np.array_equal(first[name], same[name]) for name in first)
    assert not np.array_equal(first["0.weight"], other["0.weight"])
    assert np.ptp(first["1.running_var"]) > 0


def test_a_network_that_is_not_there() -> None:
    with pytest.raises(InvalidValueError, match=r"a network must be one of lenet5, .*, squeezenet, but got 'vgg'"):
        by_name("vgg")


def test_cases_begin_with_one_input_and_end_with_training() -> None:
    found = cases([by_name("resnet20"), by_name("unet")], ("inference", "training"))
    assert list(map(str, found)) == [
        "resnet20 inference batch 1",
        "unet inference batch 1",
        "resnet20 inference batch 32",
        "unet inference batch 8",
        "resnet20 training sgd batch 128",
        "resnet20 training adam batch 128",
        "unet training sgd batch 4",
    ]
    assert [case.batch for case in cases([by_name("unet")], ("inference",), batch=2)] == [2]


def test_the_documentation_has_the_same_table() -> None:
    page = ROOT / "docs" / "benchmarks.md"
    if not page.exists():
        pytest.skip("the documentation is not here")
    lines = page.read_text(encoding="utf-8").splitlines()
    begin = lines.index("| network | input | inference | training step |") + 2
    for network, line in zip(NETWORKS, lines[begin : lines.index("", begin)], strict=True):
        size, batches = "×".join(map(str, network.input_shape)), ", ".join(map(str, network.inference))
        rules = "; ".join(f"{batch}, {rule.upper().replace('ADAM', 'Adam')}" for batch, rule in network.training)
        assert line.endswith(f"| {size} | {batches} | {rules} |".replace("|  |", "| |"))


# what every engine builds from


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (AvgPool2d(2), "a layer of a network must be one of Sequential, .*, but got AvgPool2d"),
        (Conv2d(1, 2, 3, padding_mode="reflect"), "padding_mode of a convolution must be 'zeros' .* got 'reflect'"),
        (Conv2d(1, 2, 4, padding="same"), r"must be numbers, or 'same' at stride 1 .* got 'same' with stride=\(1, 1\)"),
        (Conv2d(1, 2, 3, layout="NHWC"), "the layout of a network must be channels first, but got NHWC"),
        (MaxPool2d(2, dilation=2), r"a pooling must have no dilation, but got \(2, 2\)"),
        (Concat(Identity(), axis=2), "axis of a Concat must be 1, but got 2"),
        (Flatten(2), "a Flatten must flatten all but the batch, but got Flatten"),
    ],
)
def test_what_cannot_be_described(layer: Any, message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        describe(Sequential(layer))


@pytest.mark.parametrize("name", ["resnet20", "unet"])
def test_a_description_names_every_weight(name: str) -> None:
    model = by_name(name).make()
    found: list[str] = []

    def visit(node: Any) -> None:
        found.extend(node.arrays.values())
        for child in node.children:
            visit(child)

    visit(describe(model))
    state = [array for array in model.state_dict() if not array.endswith("num_batches_tracked")]
    assert sorted(found) == sorted(state)


# the check


def results_of(engine: type[NetworkEngine], case: Case, folder: Path) -> Any:
    """Let an engine compute a case, here; return how far it is from what is right."""
    shared = write_network(case, 0, folder)
    (prepared,) = engine(1).prepare(read_network(folder, case.step)).values()
    files = {}
    for name, array in prepared.results(prepared.run()).items():
        files[name] = str(folder / f"result-{name}.npy")
        np.save(files[name], array)
    (difference,) = shared.check(case.step, files, ours=True)
    assert not any(Path(file).exists() for file in files.values())
    return difference


STEPS_OF_TINY = [Case(TINY, "inference", 3), Case(TINY, "training", 4, "sgd"), Case(TINY, "training", 4, "adam")]


@needs_fast
@pytest.mark.parametrize("case", STEPS_OF_TINY, ids=str)
def test_what_is_right_is_within_the_tolerance(case: Case, tmp_path: Path) -> None:
    assert results_of(RightNetworks, case, tmp_path).of_tolerance < 0.25


@needs_fast
@pytest.mark.parametrize("case", STEPS_OF_TINY[:2], ids=str)
def test_what_is_wrong_is_beyond_the_tolerance_of_others_too(case: Case, tmp_path: Path) -> None:
    assert results_of(WrongNetworks, case, tmp_path).of_tolerance > 4


@needs_fast
def test_the_check_wants_the_result_and_its_shape(tmp_path: Path) -> None:
    shared = write_network(STEPS_OF_TINY[0], 0, tmp_path)
    with pytest.raises(InvalidValueError, match="the result of inference must be y, but got losses"):
        shared.check("inference", {"losses": "nowhere.npy"}, ours=True)
    np.save(tmp_path / "y.npy", np.zeros((3, 6)))
    assert shared.check("inference", {"y": str(tmp_path / "y.npy")}, ours=True)[0].of_tolerance == np.inf
    np.save(tmp_path / "y.npy", np.full((3, 5), np.nan))
    assert shared.check("inference", {"y": str(tmp_path / "y.npy")}, ours=True)[0].of_tolerance == np.inf


@needs_fast
def test_workers_read_what_the_contest_wrote(tmp_path: Path) -> None:
    shared = write_network(STEPS_OF_TINY[2], 0, tmp_path)
    job = read_network(tmp_path, "training")
    assert job.node == describe(TINY.make())
    assert job.x.shape == (4, 2, 16, 12)
    assert job.labels.shape == (4,)
    assert (job.rule.name, job.rule.betas) == ("adam", (0.9, 0.999))
    assert len(shared.expected) == STEPS
    state = job.model().state_dict()
    assert all(np.array_equal(state[name], array) for name, array in job.state.items())
    assert shared.flops == 6 * TINY.make().multiply_adds(job.x.shape)


# whole contests


def contest(*engines: str, networks: tuple[Network, ...] = (TINY,), **settings: Any) -> NetworkContest:
    return run_networks(networks, engines=engines, **{"rounds": 2, "threads": 1, **settings})


@pytest.mark.slow
@needs_fast
def test_a_contest_with_engines_that_are_right_wrong_and_absent() -> None:
    names = "no_such_package:Engine", *(f"contest_engines:{name}" for name in ("WrongNetworks", "InferenceOnly"))
    said: list[tuple[str, float]] = []
    found = contest(*names, progress=lambda text, done: said.append((text, done)))
    assert found.ok
    assert [str(heat) for heat in found.heats] == [str(case) for case in cases([TINY], ("inference", "training"))]
    assert found.absent == {"Engine": "not installed (no_such_package)"}
    assert [re.sub(r" must.*", "", line) for line in found.failures()] == [
        f"{heat}: WrongNetworks numpy"
        for heat in found.heats
        if heat.optimizer != "adam"  # which has no momentum
    ]
    for heat in found.heats:
        ours = [entry.variant for entry in heat.entries if entry.engine == "fastconv"]
        assert ours == ["layers", "recorded", "fused", "program"]
        assert len(heat.peaks) == 2
        assert heat.of_peak is not None
        assert heat.of_peak > 0
        assert heat.refused == ({"InferenceOnly": "no training here"} if heat.optimizer else {})
        assert (heat.ratio is None) == (heat.optimizer == "sgd")
    assert "InferenceOnly: no training here (training)." in found.markdown()
    assert said[-1] == ("done", 1.0)


@pytest.mark.slow
@needs_fast
@pytest.mark.parametrize("name", INSTALLED)
def test_the_other_engines_compute_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if not FULL:  # without a compiler there is no torch.compile, which takes a minute
        monkeypatch.setenv("PATH", "")
        monkeypatch.delenv("CXX", raising=False)
    found = contest(name, networks=(TINY, SIGNAL), rounds=1)
    assert found.absent == {}
    assert found.failures() == ()
    for heat in found.heats:
        assert (heat.ratio_to(name) is None) == (name in heat.refused)
        assert {entry.engine for entry in heat.entries} == {"fastconv", *({name} - heat.refused.keys())}
    refused = [heat.step for heat in found.heats if heat.refused]
    if name == "ncnn":  # which computes one input at a time
        assert refused == [heat.step for heat in found.heats if heat.batch > 1]
    else:
        assert refused == ([] if name in ("torch", "jax") else ["training"] * 3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"engines": ("caffe",)}, "an engine must be one of torch, onnxruntime, jax, openvino, ncnn, or module:Class"),
        ({"passes": ("forward",)}, "passes must be some of inference, training, but got 'forward'"),
        ({"networks": ()}, "networks must hold at least one with such a pass, but got none"),
        ({"networks": (by_name("resnet18"),), "passes": ("training",)}, "but got resnet18 for training"),
        ({"rounds": 0}, "rounds must be at least 1, but got 0"),
        ({"batch": 0}, "batch must be at least 1, but got 0"),
    ],
)
def test_wrong_arguments(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run_networks(**{"networks": (TINY,), **settings})


# report and picture, of made-up numbers


def entry(engine: str, variant: str, *rounds: float | None, of_tolerance: float = 0.1) -> Entry:
    return Entry(engine, variant, rounds, of_tolerance, 1e-6, 1.0)


def heat(*entries: Entry, **changes: Any) -> NetworkHeat:
    made = NetworkHeat(
        network="net",
        description="",
        step="inference",
        optimizer="",
        batch=1,
        parameters=12,
        flops=8 * 10**9,
        entries=entries,
        refused={},
        peaks=(10.0, 20.0, 16.0),
        single_peaks=(5.0, 10.0, 8.0),
        threads=2,
    )
    return replace(made, **changes)


OURS = entry("fastconv", "layers", 2.0, 4.0, 4.0), entry("fastconv", "program", 1.0, 2.0, 2.0)
TORCH = entry("torch", "NCHW", 3.0, 4.0, 8.0), entry("torch", "compile", 6.0, 2.0, None)


def made_contest(*heats: NetworkHeat, **changes: Any) -> NetworkContest:
    return replace(NetworkContest(heats, current_environment(), {}, {"fastconv": 0.001}, 12.0), **changes)


def test_each_engine_has_a_ratio_of_its_better_variant() -> None:
    made = heat(*OURS, *TORCH, entry("jax", "NCHW", 2.0, 8.0, 4.0))
    assert made.ratios == {"torch": 3.0, "jax": 2.0}  # 3/1, 2/2, 8/2; 2/1, 8/2, 4/2
    assert made.ratio == 2.0  # 2/1, 2/2, 4/2
    assert made.of_peak == 0.25  # 8/10, 4/20, 4/16
    assert heat(*OURS, entry("torch", "NCHW", 1.0, 1.0, 1.0, of_tolerance=2.0)).ratios == {"torch": None}


def test_the_report_is_made_of_the_json(tmp_path: Path) -> None:
    trained = heat(*OURS, *TORCH, step="training", optimizer="adam", batch=32, refused={"jax": "no"})
    made = made_contest(heat(*OURS, *TORCH), heat(*OURS, batch=8), trained, absent={"ncnn": "not installed (ncnn)"})
    made.save(tmp_path / "networks.json")
    read = read_record(NetworkContest, json.loads((tmp_path / "networks.json").read_text(encoding="utf-8")))
    text = read.markdown()
    assert text == made.markdown()
    assert "| inference, one input | the best | 3.00 | 3.00 | net | 1 of 1 |" in re.sub(" +", " ", text)
    assert "| training | torch | 3.00 | 3.00 | net adam ×32 | 1 of 1 |" in re.sub(" +", " ", text)
    assert "ncnn did not take part: not installed (ncnn)." in text
    assert "jax: no (training)." in text
    assert "| net ×8 |" in re.sub(" +", " ", text)


def test_the_ladder_ends_with_winograds_algorithm() -> None:
    rungs = [entry("fastconv", name, time) for name, time in (("layers", 8.0), ("recorded", 4.0), ("fused", 2.0))]
    made = heat(*rungs, entry("fastconv", "program", 1.0))
    without = heat(*OURS, batch=8)  # as it was saved when there were fewer rungs
    table = ladder_table([made, without])
    assert [header.partition(",")[0] for header in table.headers] == [
        *("network", "layers", "recorded", "fused", "Winograd")
    ]
    assert [row[2:] for row in table.rows] == [("2.00", "4.00", "8.00"), (MISSING, MISSING, "2.00")]


@needs_fast
@pytest.mark.parametrize("step", ["inference", "training"])
def test_all_rungs_but_the_last_are_exact(step: str, tmp_path: Path) -> None:
    network = Network("exact", "contest_engines:one_wide_convolution", (32, 32, 32), inference=(1,))
    write_network(Case(network, step, 1, "" if step == "inference" else "sgd"), 0, tmp_path)
    job = read_network(tmp_path, step)
    found = {
        variant: made.results(made.run()) for variant, made in FastconvNetworks(get_num_threads()).prepare(job).items()
    }
    (name,) = {key for result in found.values() for key in result}
    layers, recorded, fused, program = (result[name] for result in found.values())
    np.testing.assert_array_equal(layers, recorded)
    np.testing.assert_array_equal(layers, fused)
    assert not np.array_equal(layers, program)  # which rounds otherwise, but hardly
    np.testing.assert_allclose(layers, program, rtol=1e-3)


def test_the_documentation_is_generated_from_the_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generate = generate_into(tmp_path, monkeypatch)
    made = made_contest(heat(*OURS, *TORCH))
    made.save(tmp_path / "networks.json")
    generate.main("networks", str(tmp_path / "networks.json"))
    assert (tmp_path / "networks.md").read_text(encoding="utf-8").endswith(made.markdown())


def test_the_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    trained = heat(*OURS, *TORCH, step="training", optimizer="adam", batch=32)
    plot_networks(made_contest(heat(*OURS, *TORCH), heat(*OURS, batch=8), trained), tmp_path / "networks.svg")
    assert (tmp_path / "networks.svg").read_bytes().startswith(b"<?xml")
    plot_networks(made_contest(heat(*OURS)), tmp_path / "alone.svg")


# the command


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--networks"], 2, "goes with --against"),
        (["vgg", "--against", "torch", "--networks"], 2, "a network must be one of lenet5, .*, but got 'vgg'"),
        (["--against", "torch", "--networks", "--dtype", "float64"], 2, "--dtype.* does not go with --networks"),
        (["--against", "torch", "--networks", "--passes", "forward"], 1, "passes must be some of inference, training"),
        (["--against", "caffe", "--networks"], 1, "an engine must be one of torch, onnxruntime, jax, openvino, ncnn"),
    ],
)
def test_bench_used_wrongly(
    arguments: list[str], code: int, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("typer")
    from fastconv import cli

    monkeypatch.setattr(sys, "argv", ["fastconv", "bench", *arguments])
    assert cli.main() == code
    assert re.search(message, capsys.readouterr().err)


@needs_fast
def test_bench_passes_on_what_was_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("typer")
    from fastconv import cli
    from fastconv.cli import contest as command

    asked: dict[str, Any] = {}

    def run(networks: Any, **settings: Any) -> NetworkContest:
        asked.update(settings, networks=[network.name for network in networks])
        return made_contest(heat(entry("fastconv", "layers", 1.0, 1.0, 1.0, of_tolerance=2.0)))

    monkeypatch.setattr(command, "run_networks", run)
    words = "bench unet signal --against torch,ncnn --networks --quick --batch 2 --passes inference"
    monkeypatch.setattr(sys, "argv", ["fastconv", *words.split()])
    assert cli.main() == 1
    assert re.search(r"bench: net inference batch 1: fastconv layers must be within 1 .* 2\.0", capsys.readouterr().err)
    del asked["progress"]
    assert asked == {
        "networks": ["unet", "signal"],
        "engines": ("torch", "ncnn"),
        "passes": ("inference",),
        "batch": 2,
        "rounds": 3,
        "seconds": 90.0,
    }
