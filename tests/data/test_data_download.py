"""Downloads, from a server on the loopback address: whole, wrong, missing and cut off."""

from __future__ import annotations

import hashlib
import http.server
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from data_files import write_cifar_archive, write_mnist

from fastconv.data import download, load, load_cifar10, load_mnist
from fastconv.errors import DownloadError, InvalidTypeError, InvalidValueError

pytest.importorskip("pooch", reason="pooch is not installed")

ARCHIVE = "cifar-10-python.tar.gz"


class Server:
    """Files under an address, and what went over the wire."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.cut_off: set[str] = set()  # files whose body ends early
        self.unpacks = False  # answer .gz with Content-Encoding: gzip where that is accepted
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.answer(self)

            def log_message(self, *arguments: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/data"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def answer(self, request: http.server.BaseHTTPRequestHandler) -> None:
        name = request.path.rpartition("/")[2]
        self.requests.append(name)
        if name not in self.files:
            request.send_error(404)
            return
        content = self.files[name]
        request.send_response(200)
        request.send_header("Content-Length", str(len(content)))
        if self.unpacks and "gzip" in request.headers.get("Accept-Encoding", ""):
            request.send_header("Content-Encoding", "gzip")
        request.end_headers()
        request.wfile.write(content[: len(content) // 2] if name in self.cut_off else content)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Return a server with small files, whose checksums stand in place of the published ones."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    running = Server()
    source = tmp_path / "published"
    write_mnist(source)
    write_cifar_archive(source / ARCHIVE)
    running.files = {file.name: file.read_bytes() for file in source.iterdir()}
    for name, published in download.SOURCES.items():
        checksums = {file: hashlib.sha256(running.files[file]).hexdigest() for file in published.checksums}
        monkeypatch.setitem(download.SOURCES, name, download.Source((running.url,), checksums))
    yield running
    running.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "of mine"


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir()) if folder.exists() else []


def test_the_published_checksums_are_sha256() -> None:
    assert set(download.SOURCES["mnist"].checksums) == {
        "train-images-idx3-ubyte.gz",
        "train-labels-idx1-ubyte.gz",
        "t10k-images-idx3-ubyte.gz",
        "t10k-labels-idx1-ubyte.gz",
    }
    assert set(download.SOURCES["cifar10"].checksums) == {ARCHIVE}
    for source in download.SOURCES.values():
        assert all(url.startswith("https://") for url in source.mirrors)
        for checksum in source.checksums.values():
            assert len(bytes.fromhex(checksum)) == hashlib.sha256().digest_size


def test_mnist_is_fetched_once(server: Server, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    reports: list[tuple[str, float]] = []
    train, test = load_mnist(folder, download=True, progress=lambda *report: reports.append(report))
    assert (len(train), len(test)) == (5, 3)
    assert names(folder) == sorted(download.SOURCES["mnist"].checksums)
    assert reports[-1] == ("downloading t10k-labels-idx1-ubyte.gz", 1.0)
    assert {text for text, _ in reports} == {f"downloading {name}" for name in download.SOURCES["mnist"].checksums}
    assert len(server.requests) == 4
    load_mnist(folder, download=True)
    load_mnist(folder)
    assert len(server.requests) == 4
    assert capfd.readouterr() == ("", "")


def test_only_what_is_missing_is_fetched(server: Server, folder: Path) -> None:
    load_mnist(folder, download=True)
    (folder / "t10k-images-idx3-ubyte.gz").unlink()
    server.requests.clear()
    load_mnist(folder, download=True)
    assert server.requests == ["t10k-images-idx3-ubyte.gz"]


@pytest.mark.parametrize("by_name", [False, True])
def test_cifar10_into_the_default_folder(
    server: Server, folder: Path, by_name: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FASTCONV_DATA", str(folder))
    train, test = load("cifar10", download=True) if by_name else load_cifar10(download=True)
    assert (len(train), len(test)) == (20, 3)
    assert names(folder / "cifar10") == [ARCHIVE]
    assert len(load_cifar10().train) == 20
    assert server.requests == [ARCHIVE]


def test_a_server_that_unpacks_is_asked_not_to(server: Server, folder: Path) -> None:
    server.unpacks = True
    assert len(load_mnist(folder, download=True).train) == 5


def test_base_url_takes_the_place_of_the_mirrors(server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = download.SOURCES["mnist"]
    monkeypatch.setitem(download.SOURCES, "mnist", source._replace(mirrors=("http://127.0.0.1:1/closed",)))
    with pytest.raises(DownloadError, match=r"127.0.0.1:1/closed/train-images"):
        load_mnist(folder, download=True)
    assert len(load_mnist(folder, download=True, base_url=f"{server.url}/").train) == 5


def test_mirrors_are_tried_in_turn(server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = download.SOURCES["mnist"]
    mirrors = ("http://127.0.0.1:1/closed", server.url)
    monkeypatch.setitem(download.SOURCES, "mnist", source._replace(mirrors=mirrors))
    assert len(load_mnist(folder, download=True).train) == 5
    del server.files["t10k-labels-idx1-ubyte.gz"]
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DownloadError, match=r"127.0.0.1:1/closed/t10k.*refused.*; http://.*404"):
        load_mnist(folder, download=True)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("missing", "404"),
        ("changed", r"the SHA-256 must be [0-9a-f]{64}"),
        ("cut off", "IncompleteRead|SHA-256"),
        ("empty", "the SHA-256 must be"),
    ],
)
def test_a_failed_download_leaves_nothing(server: Server, folder: Path, fault: str, message: str) -> None:
    content = server.files[ARCHIVE]
    if fault == "missing":
        del server.files[ARCHIVE]
    elif fault == "changed":
        server.files[ARCHIVE] = content[:-1] + bytes([content[-1] ^ 1])
    elif fault == "cut off":
        server.cut_off.add(ARCHIVE)
    else:
        server.files[ARCHIVE] = b""
    with pytest.raises(DownloadError, match=rf"load_cifar10: {ARCHIVE} must be downloaded whole.*{message}") as caught:
        load_cifar10(folder, download=True)
    assert server.url in str(caught.value)
    assert isinstance(caught.value, OSError)
    assert names(folder) == []
    server.files[ARCHIVE] = content
    server.cut_off.clear()
    assert len(load_cifar10(folder, download=True).train) == 20  # the next attempt is not hindered


def test_an_interrupted_download_leaves_nothing(server: Server, folder: Path) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load_cifar10(folder, download=True, progress=interrupt)
    assert names(folder) == []


def test_without_download_nothing_is_asked_for(server: Server, folder: Path) -> None:
    with pytest.raises(FileNotFoundError, match="download=True"):
        load_mnist(folder)
    with pytest.raises(FileNotFoundError, match="download=True"):
        load_cifar10(folder)
    assert server.requests == []
    assert not folder.exists()


@pytest.mark.parametrize(
    ("url", "kind", "message"),
    [
        ("file:///etc", InvalidValueError, "base_url must begin with https:// or http://, but got 'file:///etc'"),
        (80, InvalidTypeError, "base_url must be a string, but got 80"),
    ],
)
def test_other_addresses(folder: Path, url: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        load_mnist(folder, download=True, base_url=url)


def test_without_pooch_the_extra_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(ImportError, match=r'pooch must be installed.*pip install "fastconv\[data\]"'):
        load_mnist(folder, download=True)


def test_a_folder_that_cannot_be_made(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="file"):
        load_cifar10(tmp_path / "file" / "folder", download=True)
    assert (tmp_path / "file").read_bytes() == b""
