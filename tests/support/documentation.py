"""The script that turns JSON into the tables of the documentation, where the documentation is."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from programs import ROOT


def generate_into(folder: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Load `docs/generate.py`, which then writes into a folder; skip the test where it is missing."""
    script = ROOT / "docs" / "generate.py"
    if not script.exists():
        pytest.skip("the documentation is not here")
    pytest.importorskip("typer")
    spec = importlib.util.spec_from_file_location("generate", script)
    assert spec is not None
    assert spec.loader is not None
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    monkeypatch.setattr(generate, "FOLDER", folder)
    return generate
