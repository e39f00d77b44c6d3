"""How training scales: the model of messages, and what one process finds that says it is one of many."""

from __future__ import annotations

import numpy as np
import pytest

from fastconv.evidence.scaling import Scaling, plot_scaling, run_scaling
from fastconv.evidence.scaling.emulated import Emulated
from fastconv.evidence.scaling.network import Network, Step, between
from fastconv.report.record import read_record


def test_a_sum_takes_latencies_and_bytes() -> None:
    network = Network(latency=1e-3, bandwidth=1e6)
    assert network.seconds(10**6, 1) == 0
    assert network.seconds(0, 8) == pytest.approx(6e-3)  # three there, three back
    assert network.seconds(10**6, 2) == pytest.approx(2e-3 + 1)
    assert network.seconds(10**6, 1000) == pytest.approx(20e-3 + 2 * 0.999)


def test_messages_go_on_beside_the_computation_one_at_a_time() -> None:
    network = Network(0.0, 1.0)  # on two ranks a byte takes a second
    step = Step(4, 10.0, ((2, 0.0), (3, 1.0), (1, 6.0)), 7.0, 0)
    assert step.predicted(network, 2) == 10  # 0 to 2, 2 to 5, 6 to 7: the step waits for nothing
    late = Step(4, 10.0, ((2, 0.0), (3, 1.0), (4, 6.0)), 7.0, 5)
    assert late.predicted(network, 2) == 10 + 3 + 5
    assert late.predicted(network, 1) == 10


def test_steps_of_other_sizes_lie_on_a_line() -> None:
    few, many = Step(2, 1.0, ((8, 0.0), (8, 0.4)), 0.5, 16), Step(6, 3.0, ((8, 0.0), (8, 0.8)), 0.9, 16)
    middle = between([many, few], 3)
    assert (middle.seconds, middle.messages[1][1], middle.awaited) == pytest.approx((1.5, 0.5, 0.6))
    assert between([few, many], 1).seconds == 1.0
    assert between([few, many], 8).seconds == pytest.approx(4.0)


def test_emulated_ranks_take_the_time_of_their_messages() -> None:
    ranks = Emulated(4, Network(5e-3, 1e12))
    values, total = np.arange(3.0), np.empty(3)
    requests = [ranks.Iallreduce(values, total) for _ in range(2)]
    assert not requests[1].Test()
    for request in requests:
        request.Wait()
    assert np.array_equal(total, values)
    (_, _, started), *_, (kind, _, _) = ranks.events
    assert kind == "wait"
    assert ranks._free - started >= 0.04  # two sums of four latencies each, one after the other


@pytest.mark.slow
def test_a_run_measures_predicts_and_is_saved(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    from fastconv.evidence.scaling import run

    monkeypatch.setattr(run, "_launcher", lambda: None)
    monkeypatch.setattr(run, "_QUICK_STEPS", 1)
    found = run_scaling("digits", batch=2, most_ranks=64, quick=True, threads=1)
    assert {each.mode for each in found.measured} == {"weak", "strong"}
    assert [each.ranks for each in found.predictions if each.mode == "strong"] == [1, 2, 4, 8, 16, 32]
    assert all(each.seconds > 0 and each.exposed >= 0 for each in found.predictions)
    assert len(found.steps[0].messages) > 1  # some of them while the backward pass runs
    assert found.steps[0].messages[1][1] < found.steps[0].awaited
    assert all(0.2 < each.seconds / each.predicted < 50 for each in found.checks)  # whatever else the machine does
    assert str(read_record(Scaling, found.to_dict())) == str(found)
    pytest.importorskip("matplotlib")
    plot_scaling(found, f"{tmp_path}/scaling.svg")


@pytest.mark.parametrize("wrong", [{"network": "nothing"}, {"batch": 0}, {"bandwidth": -1.0}])
def test_wrong_numbers_are_named(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        run_scaling(**wrong)  # type: ignore[arg-type]
