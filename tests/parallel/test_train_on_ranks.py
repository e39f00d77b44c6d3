"""Training on several ranks is training on one: the same numbers within rounding, the same bits from run to run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from programs import SUPPORT
from ranks import on_ranks

from fastconv.training import checkpoint_weights

PROGRAM = str(SUPPORT / "train_on_ranks.py")
RANKS = (1, 2, 3)
ROUNDING = {
    "rtol": 2e-5,
    "atol": 2e-6,
}  # of fifteen steps; a gradient that is off by 0.1 % is off by a hundred times that


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Any]:
    folder = tmp_path_factory.mktemp("ranks")
    for ranks in RANKS:
        on_ranks(ranks, PROGRAM, str(folder))
    return {ranks: dict(np.load(folder / f"{ranks}.npz")) for ranks in RANKS}


@pytest.mark.parametrize("kind", ["recorded", "layers", "synchronized"])
@pytest.mark.parametrize("ranks", RANKS[1:])
def test_ranks_give_what_one_process_gives(runs: dict[int, Any], ranks: int, kind: str) -> None:
    np.testing.assert_allclose(runs[ranks][kind], runs[1][kind], **ROUNDING)


@pytest.mark.parametrize("ranks", RANKS)
def test_every_run_has_the_same_bits(runs: dict[int, Any], ranks: int) -> None:
    found = runs[ranks]
    assert np.array_equal(found["again"], found["recorded"])
    assert np.array_equal(found["layers"], found["recorded"])
    assert np.array_equal(found["resumed"], found["normalised"])


@pytest.mark.parametrize("ranks", RANKS[1:])
def test_batch_norm_is_of_a_rank_unless_it_is_synchronized(runs: dict[int, Any], ranks: int) -> None:
    losses = slice(0, 5)
    assert np.abs(runs[ranks]["normalised"] - runs[1]["normalised"])[losses].max() > 1e-3
    assert np.abs(runs[ranks]["synchronized"] - runs[1]["normalised"])[losses].max() < 1e-5


@pytest.mark.parametrize(("before", "after"), [(1, 2), (1, 3), (2, 3)])
def test_a_run_goes_on_with_another_number_of_ranks(runs: dict[int, Any], before: int, after: int) -> None:
    found, stopped = runs[after][f"resumed from {before}"], runs[before]["recorded"]
    steps = 2 * -(-166 // 33)
    assert np.array_equal(found[:steps], stopped[:steps])  # the losses of the epochs before
    np.testing.assert_allclose(found, runs[1]["recorded"], **ROUNDING)


FAULTS = {
    "bad gradient": "DivergedError: .*got infinite or NaN numbers in that of 1.(weight|bias) on rank 1",
    "raises": "rank 1 of 2: .*RuntimeError: this augmentation does not work",
    "killed": "KILLED|Killed|signal 9",
    "interrupted": "KeyboardInterrupt",
    "other data": "these differ: checksum of the labels .*on rank 0, .*on rank 1.*; checksum of the images",
    "other version": r"these differ: fastconv \(.* on rank 0, 0.0.1 on rank 1\)",
    "full disk": "File too large",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_happens_to_one_rank_ends_all_and_leaves_the_last_checkpoint_whole(fault: str, tmp_path: Path) -> None:
    done = on_ranks(2, PROGRAM, str(tmp_path), fault, code=None)
    words = " ".join(f"{done.stdout} {done.stderr}".split())
    assert re.search(FAULTS[fault], words), words
    before_it_starts = fault in ("other data", "other version")
    if before_it_starts or fault == "full disk":
        assert not [*tmp_path.glob("*.npz")]
    else:
        assert len(checkpoint_weights(tmp_path / "last.npz")) == 4


def test_the_command_trains_on_ranks_and_one_of_them_reports(tmp_path: Path) -> None:
    arguments = ("--epochs", "1", "--backend", "numpy", "--save", "net.npz", "--json", "run.json")
    done = on_ranks(3, "-m", "fastconv", "train", "digits", *arguments, cwd=tmp_path)
    assert done.stdout.count("test accuracy") == 1
    assert "3 ranks, each with 1 thread" in done.stdout
    assert {file.name for file in tmp_path.iterdir()} == {"net.npz", "run.json"}
    wrong = on_ranks(2, "-m", "fastconv", "train", "nosuch", code=None, cwd=tmp_path)
    assert wrong.stderr.count("DATASET must be one of") == 1
