"""The modules of the assignments under their old import path, beside a folder of that name."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import fastconv.compat.cs231n as ours
from fastconv.compat.cs231n import Installation, install
from fastconv.compat.cs231n.installing import MODULES
from fastconv.errors import InvalidTypeError, InvalidValueError

NAME = "cs231n"

FILES = {
    "__init__.py": "raise RuntimeError('this is not run')\n",
    "fast_layers.py": "def conv_forward_fast(x, w, b, conv_param):\n    return 'theirs', None\n",
    "layers.py": "from .fast_layers import *\nwhose = 'theirs'\n",
    "arguments.py": "whose = 'theirs'\n",  # ours has one as well, which is nobody's business
    "optim.py": "whose = 'theirs'\n",
    "captioning_solver.py": "from cs231n import optim\nfrom .fast_layers import *\nfrom cs231n.layers import *\n",
    "classifiers/__init__.py": "",
    "classifiers/cnn.py": "class ThreeLayerConvNet:\n    pass\n",
    "classifiers/rnn.py": "from ..captioning_solver import conv_forward_fast\nfrom cs231n.classifiers.cnn import *\n",
}


def imported() -> dict[str, ModuleType]:
    return {name: module for name, module in sys.modules.items() if name.split(".")[0] == NAME}


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """Nothing of that name before and after a test."""
    assert imported() == {}
    yield
    for name in imported():
        del sys.modules[name]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an assignment in it, on the path."""
    for name, text in FILES.items():
        file = tmp_path / NAME / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path / NAME


def load(module: str) -> Any:
    return importlib.import_module(f"{NAME}.{module}")


def test_the_list_is_that_of_the_package() -> None:
    private = {
        "affine",
        "arguments",
        "checkpoints",
        "installing",
        "normalization",
        "tiny_imagenet",
        "windows",
    }
    found = {
        module.name.removeprefix(f"{ours.__name__}.")
        for module in pkgutil.walk_packages(ours.__path__, f"{ours.__name__}.")
    }
    assert found - private == set(MODULES)


@pytest.mark.parametrize("module", MODULES)
def test_every_module_has_its_old_path(module: str) -> None:
    with install():
        old, new = load(module), importlib.import_module(f"{ours.__name__}.{module}")
        assert old is new or module == "classifiers"
        for name in getattr(new, "__all__", ()):
            assert getattr(old, name) is getattr(new, name)
    assert imported() == {}


def test_old_code_runs_unchanged() -> None:
    code = (
        "import cs231n.optim as rules\n"
        "from cs231n import optim\n"
        "from cs231n.fast_layers import *\n"
        "from cs231n.layer_utils import *\n"
        "from cs231n.classifiers.cnn import *\n"
        "assert rules is optim\n"
        "net = ThreeLayerConvNet(input_dim=(1, 4, 6), num_filters=2, filter_size=3, hidden_dim=5, num_classes=3)\n"
        "loss, grads = net.loss(np.ones((2, 1, 4, 6)), np.array([0, 2]))\n"
    )
    names: dict[str, Any] = {}
    with install():
        exec(code, names)
    assert round(float(names["loss"]), 3) == round(float(np.log(3)), 3)
    assert names["conv_forward_fast"] is ours.fast_layers.conv_forward_fast


def test_modules_that_we_do_not_have_are_found_in_the_folder(folder: Path) -> None:
    with install():
        solver, rnn, arguments = load("captioning_solver"), load("classifiers.rnn"), load("arguments")
        assert Path(solver.__file__) == folder / "captioning_solver.py"
        assert solver.optim is ours.optim
        assert solver.conv_forward_fast is ours.fast_layers.conv_forward_fast
        assert rnn.conv_forward_fast is ours.fast_layers.conv_forward_fast
        assert rnn.ThreeLayerConvNet.__module__ == f"{ours.__name__}.classifiers.cnn"
        assert arguments.whose == "theirs"
        assert not hasattr(load("layers"), "whose")
        with pytest.raises(ModuleNotFoundError, match=r"cs231n\.nothing"):
            load("nothing")


def test_a_folder_that_comes_onto_the_path_later(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry != str(folder.parent)])
    with install():
        with pytest.raises(ModuleNotFoundError):
            load("captioning_solver")
        monkeypatch.syspath_prepend(folder.parent)
        assert load("captioning_solver").optim is ours.optim
        assert importlib.util.find_spec("cs231n.classifiers.rnn") is not None


def test_only_some_modules(folder: Path) -> None:
    (folder / "__init__.py").write_text("", encoding="utf-8")
    with install(only=["fast_layers", "classifiers.cnn"]) as installation:
        assert installation.modules == ("classifiers.cnn", "fast_layers")
        assert load("layers").whose == "theirs"
        assert load("layers").conv_forward_fast is ours.fast_layers.conv_forward_fast
        assert load("classifiers.cnn") is importlib.import_module(f"{ours.__name__}.classifiers.cnn")
        assert Path(load("classifiers.rnn").__file__) == folder / "classifiers" / "rnn.py"
    with install(only=["fast_layers"]):
        assert Path(load("classifiers.cnn").__file__) == folder / "classifiers" / "cnn.py"


def test_undo_gives_back_their_modules(folder: Path) -> None:
    (folder / "__init__.py").write_text("", encoding="utf-8")
    installation = install()
    assert load("captioning_solver").conv_forward_fast is ours.fast_layers.conv_forward_fast
    assert "13 modules, installed" in repr(installation)
    installation.undo()
    assert "undone" in repr(installation)
    assert load("captioning_solver").conv_forward_fast(0, 0, 0, 0) == ("theirs", None)
    theirs = imported()
    installation.undo()
    assert imported() == theirs


def test_a_package_that_is_imported_is_not_shadowed(folder: Path) -> None:
    (folder / "__init__.py").write_text("", encoding="utf-8")
    layers = load("layers")
    before = imported()
    with pytest.raises(
        InvalidValueError, match=r"^install: name must not be imported already .* 'cs231n' is \(.*pass rep"
    ):
        install()
    assert imported() == before
    with install(replace=True):
        assert load("layers") is ours.layers
    assert imported() == before
    assert sys.modules["cs231n"].layers is layers


def test_an_error_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, f"{ours.__name__}.vis_utils", None)
    with pytest.raises(ModuleNotFoundError):
        install()
    assert imported() == {}


def test_installations_in_one_another() -> None:
    with install() as outer:
        with install(only=["layers"]) as inner:
            assert sorted(imported()) == ["cs231n", "cs231n.layers"]
        assert load("optim") is ours.optim
        inner.undo()
        assert load("optim") is ours.optim
        later = install()
        outer.undo()
        assert imported() == {}
        later.undo()
        assert imported() == {}


def test_another_name() -> None:
    with install("assignment") as installation:
        assert importlib.import_module("assignment.layers") is ours.layers
        assert isinstance(installation, Installation)
        assert installation.name == "assignment"
    assert "assignment" not in sys.modules


@pytest.mark.parametrize(
    ("arguments", "kind", "match"),
    [
        ({"name": 3}, InvalidTypeError, r"name must be a string, but got 3 \(int\)"),
        ({"name": "a.b"}, InvalidValueError, "name must be a plain module name such as 'cs231n', but got 'a.b'"),
        (
            {"only": "layers"},
            InvalidTypeError,
            r"only must be a sequence of names, but got 'layers'. Write \['layers'\]",
        ),
        ({"only": ["rnn_layers"]}, InvalidValueError, "only must name modules of classifiers, .* but got 'rnn_layers'"),
        ({"name": "numpy"}, InvalidValueError, "name must not be imported already from elsewhere, but 'numpy' is"),
    ],
)
def test_errors_of_install(arguments: dict[str, Any], kind: type[Exception], match: str) -> None:
    with pytest.raises(kind, match=f"^install: {match}"):
        install(**arguments)


def test_reloading_reloads_ours() -> None:
    with install():
        assert importlib.reload(load("im2col")) is ours.im2col


def test_importing_brings_no_compiler_and_no_pictures() -> None:
    code = (
        "import sys, fastconv.compat.cs231n as c; c.install(); import cs231n.layer_utils\n"
        "print(sorted({'numba', 'matplotlib', 'sklearn', 'PIL'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
