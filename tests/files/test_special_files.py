"""Pipes, sockets and devices where a file is expected: refused by name, in every reader.

Opening a pipe that nobody writes waits for ever, so no test that looks at a message alone would have found it: here
every function that takes the path of a file to be read gets one, under an alarm.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from programs import run

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes as POSIX has them")

READERS = """
import os, signal, socket, sys
from pathlib import Path
from fastconv import data
from programs import patience
from fastconv.cli.arguments import load_array
from fastconv.compat.cs231n import checkpoints, data_utils, tiny_imagenet
from fastconv.data.cifar import load_cifar10_batch
from fastconv.errors import FastconvError
from fastconv.layers import load_state
from fastconv.models.loading import load_model_file
from fastconv.cli.report import read_saved
from fastconv.training import checkpoint_weights

folder = Path(sys.argv[1])
for place in ("images/cat", "tiny", "mnist", "cifar"):
    (folder / place).mkdir(parents=True)
pipes = {
    "images/cat/1.png": data.load_image_folder,
    "tiny/wnids.txt": tiny_imagenet.load_tiny_imagenet,
    "mnist/train-images-idx3-ubyte": data.load_mnist,
    "cifar/test_batch": data.load_cifar10,
}
for name in ("train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"):
    (folder / "mnist" / name).write_bytes(b"")
calls = []
for name, read in pipes.items():
    os.mkfifo(folder / name)
    place = folder / name.split("/")[0]
    calls += [(name, lambda path, read=read, place=place: read(place))]
    calls += [(name, lambda path, place=place: data.load(place))] if name[0] != "t" else []
for suffix, read in {
    "batch": load_cifar10_batch,
    "idx": data.read_idx,
    "images.zip": data.load_image_folder,
    "archive.tar.gz": data.load_cifar10,
    "arrays.npz": data.load_npz,
    "anything": data.load,
    "weights.npz": load_state,
    "weights.safetensors": load_state,
    "last.npz": checkpoint_weights,
    "solver.pkl": checkpoints.load_checkpoint,
    "course_batch": data_utils.load_CIFAR_batch,
    "x.npy": lambda path: load_array("--x", path),
    "result.json": read_saved,
    "net.py": lambda path: load_model_file(str(path)),
}.items():
    os.mkfifo(folder / suffix)
    calls.append((suffix, read))
listener = socket.socket(socket.AF_UNIX)
listener.bind(str(folder / "s.npz"))
calls.append(("s.npz", load_state))

class Hung(BaseException):
    pass

def ring(*_):
    raise Hung

signal.signal(signal.SIGALRM, ring)
for name, read in calls:
    signal.alarm(patience() // 10)
    try:
        read(folder / name)
        print("NO ERROR", name)
    except FastconvError as error:
        kind = "a socket" if name == "s.npz" else "a named pipe"
        good = f"{folder / name} must be a regular file, but it is {kind}." in str(error)
        print("good" if good else f"WRONG {name}: {error}")
    except BaseException as error:
        print("FOREIGN", name, repr(error))
    finally:
        signal.alarm(0)
"""


def test_every_reader_refuses_a_pipe_and_a_socket(tmp_path: Path) -> None:
    for package in ("PIL", "safetensors", "typer"):
        pytest.importorskip(package, reason="an extra")
    lines = run(f"import sys\nsys.argv = ['', {str(tmp_path)!r}]\n{READERS}").splitlines()
    assert [line for line in lines if line != "good"] == []
    assert len(lines) > 20


def test_a_pipe_that_is_no_image_is_an_error_too(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    os.mkfifo(tmp_path / "cat" / "pipe")
    pytest.importorskip("PIL", reason="an extra")
    from fastconv.data import load_image_folder
    from fastconv.errors import DataError

    (tmp_path / "cat" / "1.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"cat/pipe must be an image"):
        load_image_folder(tmp_path)


def test_a_pipe_among_the_sources_of_a_folder_is_not_read(tmp_path: Path) -> None:
    from fastconv.dropin.check.finding import files_of

    (tmp_path / "own.py").write_text("def conv2d(x, w):\n    pass\n")
    os.mkfifo(tmp_path / "conv.py")
    assert files_of("check", tmp_path, None) == [tmp_path / "own.py"]


def test_what_may_not_be_read_is_not_called_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("PIL", reason="an extra")
    from fastconv.data import load_image, pictures

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied", "cat.png")  # as nobody says to an administrator

    (tmp_path / "cat.png").write_bytes(b"")
    monkeypatch.setattr(pictures, "open_regular", refuse)
    with pytest.raises(PermissionError, match=r"cat\.png"):
        load_image(tmp_path / "cat.png")
