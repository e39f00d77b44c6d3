"""Shared by the tests of other people's code: no replacement depends on how long something takes just now."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def nothing_is_slower(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace what is proven, whatever its time, except in tests of times."""
    if "clock" not in request.fixturenames:
        monkeypatch.setattr("fastconv.dropin.accelerate.proof.slower", lambda *_: {})
