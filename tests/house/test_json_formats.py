"""The JSON that commands write keeps its keys and types, at every depth, so that what somebody saved stays readable.

They are in one file. After a change that is meant: `python tests/house/test_json_formats.py`, which writes it again,
and a line in the CHANGELOG.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastconv as fc

PINNED = Path(__file__).with_name("json_formats.txt")
SUPPORT = Path(__file__).parents[1] / "support"  # has engines for the contest
OPEN = ("versions", "commit_info", "machine_info", "peaks")  # whose keys depend on the machine

POOL = """
import numpy as np


def max_pool_forward_naive(x, pool_param):
    N, C, H, W = x.shape
    KH, KW, stride = pool_param["pool_height"], pool_param["pool_width"], pool_param["stride"]
    y = np.zeros((N, C, 1 + (H - KH) // stride, 1 + (W - KW) // stride))
    for i in range(y.shape[2]):
        for j in range(y.shape[3]):
            y[:, :, i, j] = x[:, :, i * stride : i * stride + KH, j * stride : j * stride + KW].max(axis=(2, 3))
    return y, (x, pool_param)
"""

COMMANDS = {
    "compare": "compare --input 1,2,5,6 --weight 3,2,2,3 --backends naive,numpy --repeats 1 --json OUT",
    "compare partly": "compare avgpool2x2_64_56 --backends naive,numpy --no-backward --repeats 1 --json OUT",
    "race": "race FILE --input 1,2,6,8 --kernel-size 2 --stride 2 --repeats 1 --json OUT",
    "check": "check FILE --case plain --json OUT",
    "bench": "bench avgpool2x2_64_56 --backend numpy --batch 1 --quick --save OUT",
    "bench --accuracy": "bench --accuracy --json OUT",
    "bench --against": "bench conv5x5_1_20_28 --against contest_engines:Right --batch 1 --threads 1 --quick --json OUT",
    "bench --against --networks": "bench lenet5 --against contest_engines:RightNetworks --networks --batch 1 "
    "--threads 1 --quick --json OUT",
    "bench --ladder": "bench --ladder --input 1,2,6,5 --weight 3,2,2,3 --threads 1 --quick --json OUT",
    "summary": "summary digits --json OUT",
    "compare MODEL.onnx": "compare MODEL --backends naive,numpy --json OUT",
    "summary MODEL.onnx": "summary MODEL --json OUT",
    "evaluate": "evaluate NET DATA --json OUT",
    "predict": "predict NET IMAGE gone.ppm --top 2 --json OUT",
}
NEED_FAST = ("race", "bench --accuracy", "bench --against", "bench --against --networks", "bench --ladder")


def kinds(value: Any) -> str:
    """Name of the type of a number, a text or nothing."""
    return "null" if value is None else type(value).__name__


def paths(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every place of a JSON with its type; the elements of a list are in one place."""
    if isinstance(value, dict):
        yield path, "object"
        for key, item in value.items():
            closed = key not in OPEN or not isinstance(item, dict)
            yield from paths(item, f"{path}.{key}") if closed else [(f"{path}.{key}", "object")]
    elif isinstance(value, list):
        yield path, "list"
        for item in value:
            yield from paths(item, f"{path}[]")
    else:
        yield path, kinds(value)


def form(value: Any) -> list[str]:
    """The places, each with all its types; their order means nothing."""
    found: dict[str, list[str]] = {}
    for path, kind in paths(value):
        if kind not in found.setdefault(path, []):
            found[path].append(kind)
    return sorted(f"{path or '.'} {'|'.join(sorted(types))}" for path, types in found.items())


def run(command: str, folder: Path) -> Any:
    """Run a command as if it had been typed; return what it wrote."""
    from fastconv import cli

    file, out = folder / "pools.py", folder / "out.json"
    wrong = POOL.replace("return y,", "return np.round(y, 1),")
    file.write_text(wrong if command.startswith("check") else POOL, encoding="utf-8")
    words = {"FILE": file, "OUT": out, "NET": folder / "net.npz", "IMAGE": folder / "image.ppm"}
    words["MODEL"] = folder / "net.onnx"
    if "MODEL" in command.split():
        fc.onnx.save(fc.models.by_name("digits", filters=2, rng=0), words["MODEL"], (1, 1, 8, 8))
    words["DATA"] = folder / "data.npz"
    if command.startswith("evaluate"):
        images, labels = np.zeros((10, 1, 8, 8), np.uint8), np.arange(10)
        np.savez(
            words["DATA"], train_images=images, train_labels=labels, test_images=images[:3], test_labels=labels[:3]
        )
    if command.startswith(("evaluate", "predict")):
        fc.training.save_model(fc.models.by_name("digits", rng=0), words["NET"])
        words["IMAGE"].write_bytes(b"P5 8 8 255 " + bytes(range(64)))
    sys.argv = ["fastconv", *(str(words.get(word, word)) for word in command.split())]
    cli.main()
    data = json.loads(out.read_text(encoding="utf-8"))
    if "machine_info" in data:  # pytest-benchmark's own, and ours in it
        data["ours"] = data["machine_info"]["fastconv"]
    return data


def lines(names: Iterable[str], folder: Path) -> list[str]:
    return [f"{name}: {line}" for name in names for line in form(run(COMMANDS[name], folder))]


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * name.startswith("bench")) for name in COMMANDS]
)
def test_the_json_of_a_command_is_as_it_was(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("typer")
    if name == "bench":
        pytest.importorskip("pytest_benchmark")
    if name.endswith(".onnx"):
        pytest.importorskip("onnx")
    if name in NEED_FAST and "fast" not in fc.available_backends():
        pytest.skip("the fast backend needs Numba")
    monkeypatch.setattr(sys, "argv", [])
    monkeypatch.syspath_prepend(str(SUPPORT))
    pinned = [line for line in PINNED.read_text(encoding="utf-8").splitlines() if line.startswith(f"{name}: ")]
    assert lines([name], tmp_path) == pinned
    assert_report_reads(tmp_path, capsys)


def assert_report_reads(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`fastconv report` prints and writes what any command saved; what is missing is an error that names the file."""
    from fastconv import cli

    file, page = folder / "out.json", folder / "page.md"
    capsys.readouterr()
    sys.argv = ["fastconv", "report", str(file)]
    assert cli.main() == 0
    assert len(capsys.readouterr().out.splitlines()) > 5
    sys.argv += ["--markdown", str(page)]
    assert cli.main() == 0
    assert page.read_text(encoding="utf-8").count("|") + page.read_text(encoding="utf-8").count("**") > 3
    data = json.loads(file.read_text(encoding="utf-8"))
    data.pop(
        next(
            key
            for key in ("rows", "implementations", "benchmarks", "heats", "measured", "nodes", "input_shape")
            if key in data
        )
    )
    file.write_text(json.dumps(data), encoding="utf-8")
    assert cli.main() == 1
    assert re.search(
        r"(report|bench): .*out\.json must be a whole result.* damaged \(KeyError", capsys.readouterr().err
    )


def test_a_key_that_goes_and_a_type_that_changes_are_found() -> None:
    before = form({"rows": [{"seconds": 1.0, "peak": None}, {"seconds": 2.0, "peak": 3.0}], "versions": {"numpy": "2"}})
    assert before == [
        ". object",
        ".rows list",
        ".rows[] object",
        ".rows[].peak float|null",
        ".rows[].seconds float",
        ".versions object",
    ]
    assert ".rows[].seconds int" in form({"rows": [{"seconds": 1}]})


if __name__ == "__main__":
    sys.path.insert(0, str(SUPPORT))
    with tempfile.TemporaryDirectory() as folder:
        PINNED.write_text("\n".join(lines(COMMANDS, Path(folder))) + "\n", encoding="utf-8")
