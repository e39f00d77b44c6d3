"""No small file takes all memory, and no file takes much more than what comes out of it.

A test that asks for the message alone passes on a machine with memory to spare. So each file is read in a process of
its own with a limit on its memory, and what it took at its peak is counted: of files that claim much and hold little,
next to nothing; of honest ones, a fifth more than the result.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from programs import FULL, run

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the peak in kilobytes, as Linux counts")

MEGABYTES = 320 if FULL else 64  # of an honest file

PROGRAM = """
import gzip, io, json, os, pickle, resource, struct, sys, tarfile, zipfile, zlib
from pathlib import Path
import numpy as np
import PIL.Image
from data_files import CIFAR_CLASSES, python2_pickle
from fastconv import data
from fastconv.cli.arguments import load_array
from fastconv.compat.cs231n.checkpoints import load_checkpoint
from fastconv.data.cifar import load_cifar10_batch
from fastconv.errors import FastconvError
from fastconv.kernel_archive import import_kernels
from fastconv.layers import load_state, save_state
from fastconv.layers.state import write_arrays
from fastconv.models import by_name
from fastconv.training import checkpoint_weights, load_model, save_model

folder, size = Path(sys.argv[1]), int(sys.argv[2]) << 20
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
CLAIM = 3 << 30
BOMB = 1 << 27  # zeros, in an eighth of a megabyte


def written(name, content):
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    return folder / name


def deflated(head, zeros, window=-15):
    packer, checksum = zlib.compressobj(9, zlib.DEFLATED, window), 0
    packed = b""
    for block in (head, *[bytes(1 << 24)] * (zeros >> 24)):
        packed, checksum = packed + packer.compress(block), zlib.crc32(block, checksum)
    return packed + packer.flush(), checksum


def archive(name, inside, packed, claimed):
    "A zip archive with one entry that says how long it is."
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as whole:
        whole.writestr(inside, b"")
    content, checksum = packed
    plain, cut = stream.getvalue(), 30 + len(inside)
    begin, directory = bytearray(plain[:cut]), plain.index(b"PK\\1\\2")
    rest = bytearray(plain[directory:])
    rest[16:28] = begin[14:26] = struct.pack("<3I", checksum, len(content), claimed)
    end = rest.index(b"PK\\5\\6")
    rest[end + 16 : end + 20] = struct.pack("<I", cut + len(content))
    return written(name, bytes(begin) + content + bytes(rest))


def numpy_header(shape, kind="|u1"):
    stream = io.BytesIO()
    write = np.lib.format.write_array_header_1_0
    write(stream, {"descr": kind, "fortran_order": False, "shape": shape})
    return stream.getvalue()


claims = {
    "memo of 2^31": b"\\x80\\x02Nr\\xff\\xff\\xff\\x7f.",
    "memo in words": b"\\x80\\x02Np2147483647\\n.",
    "BINBYTES8": b"\\x80\\x04\\x8e" + struct.pack("<Q", CLAIM),
    "BYTEARRAY8": b"\\x80\\x05\\x96" + struct.pack("<Q", CLAIM),
    "BINUNICODE8": b"\\x80\\x04\\x8d" + struct.pack("<Q", CLAIM),
    "FRAME": b"\\x80\\x04\\x95" + struct.pack("<Q", CLAIM),
    "LONG4": b"\\x80\\x02\\x8b" + struct.pack("<i", 2**31 - 1),
    "BINSTRING": b"\\x80\\x02T" + struct.pack("<i", 2**31 - 1),
    "sets": b"\\x80\\x04" + b"\\x8f" * 5_000_000,
}
big = bytes(2_000_000)
swapped = b"cnumpy.core.multiarray\\n_reconstruct\\n(cnumpy\\nndarray\\nK\\x00\\x85U\\x01btR(K\\x01J"
swapped += struct.pack("<i", len(big) // 2) + b"\\x85cnumpy\\ndtype\\n(U\\x02i2K\\x00K\\x01tR(K\\x03U\\x01>NNN"
swapped += b"J\\xff\\xff\\xff\\xffJ\\xff\\xff\\xff\\xffK\\x00tb\\x89h\\x01tb"
remembered = b"\\x80\\x02T" + struct.pack("<i", len(big)) + big + b"q\\x010]("
claims["copies of one string"] = remembered + swapped * 500 + b"e."
keys = b"".join(b"q" + bytes([n]) + b"h" + bytes([n]) + b"\\x86" for n in range(60))
claims["a key of 2^60 parts"] = b"\\x80\\x02}K\\x01" + keys + b"K\\x01s."
bombs = [
    (name, read, written(name, content))
    for name, content in claims.items()
    for read in (load_cifar10_batch, load_checkpoint)
]

bomb = archive("images.zip", "cat/1.png", deflated(b"", BOMB), 1000)
bombs.append(("zip that claims 1000 bytes", lambda path: data.load_image_folder(path, threads=1), bomb))
for name, inside, content, claimed in (
    ("header.npz", "images.npy", deflated(b"\\x93NUMPY\\x02\\0" + struct.pack("<I", BOMB), BOMB), BOMB + 12),
    ("foreign.npz", "images", deflated(b"", BOMB), BOMB),
    ("shape.npz", "images.npy", deflated(numpy_header((CLAIM,)), 0), 128),
    ("size.npz", "images.npy", deflated(numpy_header((CLAIM - 128,)), 0), CLAIM),
):
    path = archive(name, inside, content, claimed)
    bombs += [(name, load_state, path), (name, data.load_npz, path)]
save_model(by_name("digits", rng=0), folder / "card.npz")
arrays = dict(np.load(folder / "card.npz"))
about = json.loads(json.loads(arrays.pop("__metadata__").item())["fastconv"])
about["architecture"]["arguments"]["classes"] = 2 * 10**5
write_arrays(folder / "card.npz", {**arrays, "__metadata__": np.array(json.dumps({"fastconv": json.dumps(about)}))})
bombs.append(("a network of a gigabyte", load_model, folder / "card.npz"))
lists = b"[" + b"[]," * 2**23 + b"[]]"
text = numpy_header((), f"|S{len(lists)}") + lists
names = numpy_header((len(lists),), "|S1") + lists
for inside, read, content in (
    ("__metadata__", load_model, text),
    ("checkpoint", checkpoint_weights, text),
    ("classes", data.load_npz, names),
):
    path = archive(f"{inside}.npz", f"{inside}.npy", deflated(content, 0), len(content))
    if inside == "classes":
        with zipfile.ZipFile(path, "a") as more:
            for name in ("images", "labels"):
                with more.open(f"{name}.npy", "w") as entry:
                    np.save(entry, np.zeros((2, 1, 3, 3) if name == "images" else 2, np.uint8))
    bombs.append((f"lists in {inside}", read, path))
bombs.append(("manifest", import_kernels, archive("kernels", "manifest.json", deflated(lists, 0), len(lists))))
idx = bytes([0, 0, 8, 1]) + struct.pack(">I", CLAIM) + bytes(30)
bombs.append(("idx", data.read_idx, written("idx", idx)))
bombs.append(("idx", data.read_idx, written("idx.gz", gzip.compress(idx, mtime=0))))
bombs.append(("npy", lambda path: load_array("--x", path), written("x.npy", numpy_header((CLAIM,)))))
comment = tarfile.TarInfo("x")
comment.type, comment.size = tarfile.XHDTYPE, BOMB
tar = written("c.tar.gz", deflated(comment.tobuf(tarfile.PAX_FORMAT), BOMB, 31)[0])
bombs += [("tar", data.load_cifar10, tar), ("tar by content", data.load, tar.rename(folder / "tar"))]
(folder / "im" / "cat").mkdir(parents=True)
PIL.Image.new("1", (13000, 13000)).save(folder / "im" / "cat" / "1.png")
bombs.append(("image", data.load_image_folder, folder / "im"))

one = np.zeros(size // 8, ">f8")
idx = bytes([0, 0, 14, 1]) + struct.pack(">I", one.size) + bytes(one)
packed = gzip.compress(bytes([0, 0, 8, 1]) + struct.pack(">I", size) + bytes(one), 1)
honest = [("idx", data.read_idx, written("one", idx)), ("idx.gz", data.read_idx, written("one.gz", packed))]
np.save(folder / "one.npy", one)
honest.append(("npy", lambda path: load_array("--x", path), folder / "one.npy"))
images, labels = np.zeros((size // 3072, 3, 32, 32), np.uint8), np.zeros(size // 3072, np.uint8)
np.savez_compressed(folder / "packed.npz", images=images, labels=labels)
save_state({"a": one, "b": np.ones(3)}, folder / "state.npz")
save_state({"a": one, "b": np.ones(3)}, folder / "state.safetensors")
honest += [("npz", data.load_npz, folder / "packed.npz")]
honest += [(path, load_state, folder / path) for path in ("packed.npz", "state.npz", "state.safetensors")]
count = size // 6 // 3072
batch = python2_pickle({b"labels": [1] * count, b"data": np.ones((count, 3072), np.uint8)})
(folder / "cifar").mkdir()
for name in (*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"):
    (folder / "cifar" / name).write_bytes(batch)
(folder / "cifar" / "batches.meta").write_bytes(python2_pickle({b"label_names": [n.encode() for n in CIFAR_CLASSES]}))
honest.append(("cifar", data.load_cifar10, folder / "cifar"))
with tarfile.open(folder / "cifar.tar", "w") as whole:
    whole.add(folder / "cifar", "cifar")
honest.append(("cifar archive", data.load_cifar10, folder / "cifar.tar"))
del one, batch, idx, packed, images


def peak(call, path):
    "Megabytes that a process which was copied from this one has for it at most, and how it ends."
    sys.stdout.flush()
    child = os.fork()
    if not child:
        try:
            call(path)
            os._exit(0)
        except FastconvError as error:
            os._exit(1 if path.name in str(error) and "MemoryError" not in str(error) else 3)
        except BaseException as error:
            print(repr(error)[:300], flush=True)
            os._exit(2)
    _, status, used = os.wait4(child, 0)
    return used.ru_maxrss / 1024, os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    import warnings
    warnings.simplefilter("ignore")  # Pillow warns of the large image; fork warns of threads
    before = peak(lambda path: None, folder)[0]
    for kind, calls in (("bomb", bombs), ("honest", honest)):
        for name, call, path in calls:
            used, code = peak(call, path)
            print(f"{kind}|{name}|{used - before:.1f}|{code}")
"""


@pytest.mark.slow
def test_peaks(tmp_path: Path) -> None:
    for package in ("PIL", "safetensors", "typer"):
        pytest.importorskip(package, reason="an extra")
    lines = run(f"import sys\nsys.argv = ['', {str(tmp_path)!r}, '{MEGABYTES}']\n{PROGRAM}").splitlines()
    found = [line.split("|") for line in lines]
    assert all(len(fields) == 4 for fields in found), lines
    wrong = []
    for kind, name, used, code in found:
        most = 24 if kind == "bomb" else 1.2 * MEGABYTES + 8  # a new process touches a few megabytes by itself
        if float(used) > most or code != ("1" if kind == "bomb" else "0"):
            wrong.append(f"{kind} {name}: {used} MB, exit code {code}")
    assert wrong == []
    assert {kind for kind, *_ in found} == {"bomb", "honest"}
