"""``--exact`` of the commands that compute: what runs is asked to be exact, and what is printed says so."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from exactness import asked_engine

import fastconv as fc

pytest.importorskip("typer")
pytest.importorskip("numba")

from fastconv import cli

every_way = pytest.mark.parametrize("given", [(), ("--exact",)])
LAYER = ("--input", "1,2,5,6", "--weight", "3,2,3,3", "--repeats", "1")


def command(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["fastconv", *arguments])
    return cli.main()


@every_way
def test_compare(given: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with asked_engine() as asked:
        assert command(monkeypatch, "compare", *LAYER, *given, "--json", "-") == 0
    out, err = capsys.readouterr()
    assert set(asked) == {bool(given)}
    assert json.loads(out)["environment"]["exact"] is bool(given)
    assert (", exact; float32" in err) is bool(given)
    assert not fc.get_options().exact


@every_way
def test_compare_explains_the_plans_that_would_run(
    given: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[bool] = []
    monkeypatch.setattr("fastconv.cli.compare.print_kernels", lambda *arguments: asked.append(fc.get_options().exact))
    assert command(monkeypatch, "compare", "--explain", *LAYER, *given) == 0
    assert asked == [bool(given)]


@every_way
def test_train(given: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("sklearn")
    with asked_engine() as asked:
        assert command(monkeypatch, "train", "--epochs", "1", "--batch-size", "512", "--threads", "1", *given) == 0
    assert set(asked) == {bool(given)}
    assert f"fast backend, 1 thread, {'exact, ' if given else ''}Adam(" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("suite", ()),
        ("contest", ("--against", "torch")),
        ("contest_of_networks", ("--against", "torch", "--networks")),
    ],
)
@every_way
def test_bench(name: str, arguments: Any, given: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    monkeypatch.setattr(f"fastconv.cli.bench.{name}", lambda *_, **options: asked.append(fc.get_options().exact))
    assert command(monkeypatch, "bench", *arguments, *given) == 0
    assert asked == [bool(given)]


def test_the_environment_is_told_like_the_flag(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("fastconv.backends.settings._defaults", None)
    monkeypatch.setenv("FASTCONV_EXACT", "1")
    assert command(monkeypatch, "compare", *LAYER, "--no-backward") == 0
    assert ", exact; float32" in capsys.readouterr().out
