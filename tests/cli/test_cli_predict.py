"""``fastconv predict``: every kind of model, options, folders, files and what goes wrong."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from light_commands import printed_by
from pytorch_writer import write_state

import fastconv as fc
from fastconv import cli, models
from fastconv.data import PRESETS, Preprocessing
from fastconv.layers import save_state
from fastconv.training import save_model

pytest.importorskip("typer")

from fastconv.cli.predict_model import Preparation, _in_batches, _picture_of

Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")

NAMES = ("cat", "dog", "an owl with a long name")
NET = """
from fastconv.layers import Flatten, Linear, Sequential

def make(input_shape, classes=10, rng=0):
    channels, height, width = input_shape
    return Sequential(Flatten(), Linear(channels * height * width, classes, rng=rng))
"""


@pytest.fixture(autouse=True)
def numpy_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    fc.set_backend("numpy")
    monkeypatch.setenv("COLUMNS", "60")


@pytest.fixture
def net(tmp_path: Path) -> str:
    """A saved network for gray pictures of 8×8."""
    network = models.by_name("digits", classes=3, filters=2, rng=0)
    save_model(network, tmp_path / "net.npz", preprocessing=Preprocessing(size=8, channels=1), class_names=NAMES)
    return str(tmp_path / "net.npz")


@pytest.fixture
def pictures(tmp_path: Path) -> list[str]:
    """Files of several sizes and modes, below one folder."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "pictures"
    (folder / "more").mkdir(parents=True)
    files = {"a.png": (8, 8), "b.jpg": (20, 31, 3), "more/c.png": (9, 7, 4), ".hidden.png": (8, 8)}
    for name, shape in files.items():
        Image.fromarray(rng.integers(0, 256, shape, np.uint8)).save(folder / name)
    (folder / "notes.txt").write_text("no picture", encoding="ascii")
    return [str(folder / name) for name in files][:3]


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["fastconv", "predict", *arguments])
    return cli.main()


def test_help_imports_no_numba() -> None:
    assert "--preset" in printed_by("predict", "--help")


def test_a_saved_network_needs_no_option(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    net: str,
    pictures: list[str],
) -> None:
    assert run(monkeypatch, net, str(tmp_path / "pictures"), "--json", str(tmp_path / "out.json")) == 0
    out = capsys.readouterr().out
    data = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    model = fc.load_model(net)
    shares = model.predict_proba([fc.data.load_image(file) for file in pictures])
    assert [row["file"] for row in data["rows"]] == pictures
    for row, share in zip(data["rows"], shares):
        order = np.argsort(-share)
        assert [guess["index"] for guess in row["top"]] == order.tolist()
        assert [guess["name"] for guess in row["top"]] == [NAMES[index] for index in order]
        np.testing.assert_allclose([guess["probability"] for guess in row["top"]], share[order], rtol=1e-5)
        assert f"{share.max():.2%}" in out
    assert "3 images by net.npz on the numpy backend" in out
    assert "prepared: resized to 8×8, gray, times 1/255" in out
    assert max(map(len, out.splitlines())) <= 60


@pytest.mark.parametrize("width", ["60", "160"])
def test_one_line_for_each_picture(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    net: str,
    pictures: list[str],
    width: str,
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    assert run(monkeypatch, net, *pictures, "--top", "1", "--backend", "naive") == 0
    out = capsys.readouterr().out
    assert out.count("%") == 3
    assert "naive backend" in out


def test_what_cannot_be_read_is_named_and_the_rest_is_done(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], net: str, pictures: list[str], tmp_path: Path
) -> None:
    text = str(tmp_path / "pictures" / "notes.txt")
    assert run(monkeypatch, net, pictures[0], text, "gone.png", pictures[1], "--top", "1", "--batch", "3") == 1
    shown = capsys.readouterr()
    assert shown.out.count("%") == 2
    for file in (text, "gone.png"):
        assert f"{file} must be" in shown.err
    assert run(monkeypatch, net, text, "--plot", str(tmp_path / "out.svg")) == 1


def test_a_checkpoint_a_name_and_a_python_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], pictures: list[str], tmp_path: Path
) -> None:
    pytest.importorskip("sklearn")
    (tmp_path / "net.py").write_text(NET, encoding="ascii")
    python, saved = f"{tmp_path / 'net.py'}:make", str(tmp_path / "own.npz")
    options = ["--backend", "numpy", "--epochs", "1", "--validation", "0.9", "--checkpoint", str(tmp_path / "run")]
    monkeypatch.setattr(sys, "argv", ["fastconv", "train", *options])
    assert cli.main() == 0
    assert run(monkeypatch, str(tmp_path / "run" / "best.npz"), *pictures) == 0
    assert "gray, times 1/255, less 0.30" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["fastconv", "train", *options[:6], "--model", python, "--save", saved])
    assert cli.main() == 0
    assert f"fastconv predict {python} --weights {saved}" in capsys.readouterr().out
    assert run(monkeypatch, saved, *pictures) == 1
    assert "by its name beside --weights" in capsys.readouterr().err
    assert run(monkeypatch, python, "--weights", saved, *pictures) == 0
    assert "resized to 8×8, gray" in capsys.readouterr().out
    save_state(models.by_name("digits", classes=4, rng=0), tmp_path / "weights.npz")
    named = ("digits", "--weights", str(tmp_path / "weights.npz"), *pictures)
    assert run(monkeypatch, *named, "--classes", "4", "--top", "9") == 0
    assert capsys.readouterr().out.count("%") == 12
    assert run(monkeypatch, *named) == 1
    assert "scores.bias (4,) in place of (10,)" in capsys.readouterr().err


def test_weights_of_pytorch_predict_the_same(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, pictures: list[str]
) -> None:
    network = models.by_name("digits", rng=0)
    save_state(network, tmp_path / "weights.npz")
    write_state(tmp_path / "weights.pth", network.state_dict())
    printed = []
    for name in ("weights.npz", "weights.pth"):
        assert run(monkeypatch, "digits", "--weights", str(tmp_path / name), *pictures) == 0
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1]


def test_labels_are_the_names_and_must_be_as_many(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], net: str, pictures: list[str], tmp_path: Path
) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("ant\nbee\ncow\n\n", encoding="utf-8")
    assert run(monkeypatch, net, pictures[0], "--labels", str(labels)) == 0
    assert {"ant", "bee", "cow"} <= set(capsys.readouterr().out.split())
    labels.write_text("ant\nbee\n", encoding="utf-8")
    assert run(monkeypatch, net, pictures[0], "--labels", str(labels)) == 1
    assert "a name for each of the 3 classes of the network, but got 2" in capsys.readouterr().err
    for content in (b"\n", b"\xff\xfe\xff"):
        labels.write_bytes(content)
        assert run(monkeypatch, net, pictures[0], "--labels", str(labels)) == 1
        assert "--labels must" in capsys.readouterr().err


def test_the_picture_beside_its_bars(
    monkeypatch: pytest.MonkeyPatch, net: str, pictures: list[str], tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")
    out, data = tmp_path / "out.svg", tmp_path / "out.json"
    assert run(monkeypatch, net, *pictures, "--plot", str(out), "--json", str(data)) == 0
    assert out.read_text(encoding="utf-8").count("<image") == 3
    monkeypatch.setattr(sys, "argv", ["fastconv", "report", str(data), "--plot", str(tmp_path / "again.png")])
    assert cli.main() == 0


def test_a_model_of_onnx(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], pictures: list[str], tmp_path: Path
) -> None:
    onnx = pytest.importorskip("onnx")
    helper = onnx.helper
    shapes = {"x": (1, 3, 6, 8), "y": (1, 3, 1, 1)}
    x, y = (helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name, shape in shapes.items())
    graph = helper.make_graph([helper.make_node("GlobalAveragePool", ["x"], ["y"])], "means", [x], [y])
    file = str(tmp_path / "means.onnx")
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), file)
    assert run(monkeypatch, file, *pictures, "--scale", "1/1000", "--json", str(tmp_path / "out.json")) == 0
    assert "resized to 6×8, colours, times 1/1000" in capsys.readouterr().out
    data = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    prepare = Preprocessing(size=(6, 8), channels=3, scale=1e-3)
    means = prepare([fc.data.load_image(file, color="rgb") for file in pictures]).mean(axis=(2, 3))
    expected = np.exp(means) / np.exp(means).sum(axis=1, keepdims=True)
    found = [sorted((guess["index"], guess["probability"]) for guess in row["top"]) for row in data["rows"]]
    np.testing.assert_allclose([[share for _, share in row] for row in found], expected, rtol=1e-5)


def test_a_model_of_onnx_that_takes_bytes_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], pictures: list[str], tmp_path: Path
) -> None:
    pytest.importorskip("onnx")
    from tests.support.onnx_files import model, node

    file = tmp_path / "bytes.onnx"
    takes_bytes = model([node("Flatten", "x", "y")], {"x": ("N", 3, 4, 4)}, ["y"], dtype=np.uint8)
    file.write_bytes(takes_bytes.SerializeToString())
    assert run(monkeypatch, str(file), *pictures) == 1
    assert f"the input of {file} must be floats, but it is uint8" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("shape", "expected", "batch"),
    [
        ((1, 3, 224, 224), Preprocessing(size=224, channels=3), 1),
        (("N", 32, 32, 3), Preprocessing(size=32, channels=3, layout="NHWC"), None),
        ((None, 1, "H", "W"), Preprocessing(channels=1), None),
        (("N", 3, "H", 8), Preprocessing(channels=3), None),
        (None, Preprocessing(), None),
    ],
)
def test_the_shape_of_an_input_says_what_it_takes(shape: object, expected: Preprocessing, batch: int | None) -> None:
    assert _picture_of("a.onnx", shape) == (expected, batch)  # type: ignore[arg-type]


def test_a_fixed_batch_takes_any_number() -> None:
    seen = []

    def double(x: np.ndarray) -> np.ndarray:
        seen.append(len(x))
        return 2 * x

    x = np.arange(7.0)[:, None]
    np.testing.assert_array_equal(_in_batches(double, 3)(x), 2 * x)
    assert seen == [3, 3, 3]


def test_options_change_the_preset_and_the_preset_what_was_saved() -> None:
    nothing = Preparation(*[None] * 7)
    saved = Preprocessing(size=8, channels=1, mean=0.3, layout="NHWC")
    assert nothing.over(saved) == saved
    assert nothing._replace(mean="0.1", std="1/4").over(saved) == Preprocessing(
        size=8, channels=1, mean=0.1, std=0.25, layout="NHWC"
    )
    preset = nothing._replace(preset="imagenet", size="300", crop="200,100", layout="NCHW").over(saved)
    imagenet = PRESETS["imagenet"]
    assert preset == Preprocessing(size=300, crop=(200, 100), mean=imagenet.mean, std=imagenet.std, channels=3)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["model.pt"], 2, "must be an .onnx file, a saved network"),
        (["digits"], 2, "the file of its weights"),
        (["gone.npz"], 1, "gone.npz"),
        (["NET", "--preset", "lsun"], 2, "must be one of imagenet, mnist, cifar10"),
        (["NET", "--scale", "1/0"], 2, "must be a number"),
        (["NET", "--mean", "a"], 2, "must be a number"),
        (["NET", "--size", "8by8"], 2, "must be one integer, or two"),
        (["NET", "--crop", "9"], 1, "crop must be at most the size of a picture"),
        (["NET", "--std", "0"], 1, "std must be positive"),
        (["NET", "--layout", "HWC"], 2, "--layout must be one of NCHW, NHWC, but got 'HWC'. Did you mean 'NHWC'?"),
        (["NET", "--plot", "a.gif"], 2, "must end in .pdf, .png, .svg"),
        (["NET", "--backend", "slow"], 2, "slow"),
        (["x", "--weights", "NET"], 2, "or a Python file, but got 'x'"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    net: str,
    pictures: list[str],
    arguments: list[str],
    code: int,
    said: str,
) -> None:
    model, *options = [net if word == "NET" else word for word in arguments]
    assert run(monkeypatch, model, pictures[0], *options) == code
    assert said in " ".join(capsys.readouterr().err.split())


def test_a_folder_without_pictures_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], net: str, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    assert run(monkeypatch, net, str(tmp_path / "empty")) == 1
    assert "must have pictures" in capsys.readouterr().err


@pytest.mark.parametrize("normalise", ["--normalise", "--no-normalise"])
def test_what_learned_from_floats_takes_pictures_or_says_why_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, normalise: str
) -> None:
    images = np.random.default_rng(0).integers(0, 256, (40, 1, 8, 8)).astype(np.float32)
    Image.fromarray(images[0, 0].astype(np.uint8)).save(tmp_path / "first.png")
    picture = str(tmp_path / "first.png")
    for name, floats in {"bytes": images, "shares": images / 255, "signed": images / 255 - 0.5}.items():
        file, network, out = (str(tmp_path / f"{name}{end}") for end in (".npz", ".net.npz", ".json"))
        np.savez(file, images=floats, labels=np.arange(40) % 2)
        monkeypatch.setattr(sys, "argv", ["fastconv", "train", file, "--epochs", "1", normalise, "--save", network])
        assert cli.main() == 0
        capsys.readouterr()
        expected = fc.load_model(network).predict_proba(floats[:1])[0]
        if name == "signed":
            assert run(monkeypatch, network, picture) == 1
            assert "white must be known to prepare bytes and files" in capsys.readouterr().err
            continue
        assert run(monkeypatch, network, picture, "--json", out) == 0
        (row,) = json.loads(Path(out).read_text(encoding="utf-8"))["rows"]
        found = {guess["index"]: guess["probability"] for guess in row["top"]}
        np.testing.assert_allclose([found[0], found[1]], expected, rtol=1e-3)
