"""The example that puts every published number of the hand-written tutorial next to the one that is computed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from programs import load_example
from strategies import BACKENDS


@pytest.fixture
def example() -> dict[str, Any]:
    return load_example("tutorial_by_hand")


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_number_is_the_published_one(
    example: dict[str, Any], backend: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert example["main"](["--backend", backend]) == 0
    output = capsys.readouterr().out
    assert output.count(": equal\n") == 10
    assert output.endswith(f"10 of 10 results are equal to the published ones, on the {backend} backend.\n")
    assert "DIFFERENT" not in output


def test_a_number_off_in_the_last_digit_is_different(example: dict[str, Any]) -> None:
    line = example["Line"]
    assert line("", np.array([0.991, 1 - 1e-10]), np.array([0.991, 1])).equal
    assert not line("", np.array([0.991, 1 - 1e-8]), np.array([0.991, 1])).equal
