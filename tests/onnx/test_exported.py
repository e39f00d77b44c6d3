"""Networks that PyTorch exports, old way and new way, and files of other exporters where they are."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastconv as fc

pytest.importorskip("onnx")
torch = pytest.importorskip("torch")
nn = torch.nn


class _Residual(nn.Module):  # type: ignore[misc]
    """What old networks have, with a view by the size of the batch at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        self.left = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.LeakyReLU(0.1))
        self.right = nn.Conv2d(8, 8, 1)
        self.pool, self.head = nn.MaxPool2d(3, 2, 1), nn.Linear(8 * 6 * 5, 4)

    def forward(self, x: Any) -> Any:
        y = self.stem(x)
        y = self.pool(self.left(y) + self.right(y))
        return torch.softmax(self.head(y.view(y.size(0), -1)), 1)


class _Gates(nn.Module):  # type: ignore[misc]
    """What newer ones have: depthwise layers, gates, SiLU, a mean, and another size at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.SiLU(), nn.Conv2d(8, 8, 3, groups=8))
        self.gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 8, 1), nn.Hardsigmoid())
        self.b = nn.Sequential(nn.ConvTranspose2d(8, 4, 2, 2), nn.InstanceNorm2d(4), nn.GELU())

    def forward(self, x: Any) -> Any:
        y = self.a(x)
        y = torch.cat([y * self.gate(y), nn.functional.pad(y, (1, 0, 0, 0))[..., :-1]], 1)[:, ::2]
        y = nn.functional.interpolate(self.b(y), scale_factor=2, mode="nearest")
        return torch.clamp(y, -1, 1).flatten(2).mean(2)


@pytest.mark.filterwarnings("ignore")  # of the old way, which says that it is old
@pytest.mark.parametrize("dynamo", [False, True])
@pytest.mark.parametrize("network", [_Residual, _Gates])
def test_networks_that_pytorch_exports(network: Any, dynamo: bool) -> None:
    if dynamo:
        pytest.importorskip("onnxscript")
    torch.manual_seed(0)
    net = network()
    for _ in range(3):  # running statistics of their own
        net.train()(torch.randn(4, 3, 12, 10))
    net.eval()
    file, x = io.BytesIO(), torch.randn(2, 3, 12, 10)
    varying = {"dynamic_shapes": ({0: torch.export.Dim("N")},)} if dynamo else {"dynamic_axes": {"x": {0: "N"}}}
    torch.onnx.export(net, (x,), file, input_names=["x"], output_names=["y"], dynamo=dynamo, **varying)
    loaded = fc.onnx.load(file.getvalue())
    for batch in (2, 5, 2, 5):
        images = torch.randn(batch, 3, 12, 10)
        expected = net(images).detach().numpy()
        (y,) = loaded.run([images.numpy()])
        assert y.dtype == np.float32
        np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)


def _folder() -> Path:
    folder = os.environ.get("FASTCONV_MODELS")
    if not folder:
        pytest.skip("FASTCONV_MODELS names no folder of models, beside which the folders mnist and cifar10 lie")
    return Path(folder)


@pytest.mark.parametrize("compile", [False, True])
def test_recorded_outputs_of_files_by_others(compile: bool) -> None:
    cases = sorted(_folder().glob("*/test_data_*.npz"))
    assert cases
    for case in cases:
        with np.load(case) as arrays:
            expected, x = arrays["out_0"], arrays["in_0"]
        loaded = fc.onnx.load(case.parent / "model.onnx", compile=compile)
        for _ in range(2):
            np.testing.assert_allclose(loaded.run([x])[0], expected, rtol=1e-3, atol=1e-5 * np.abs(expected).max())


def test_accuracy_on_mnist() -> None:
    folder = _folder().parent / "mnist"
    images, labels = (fc.data.read_idx(folder / f"t10k-{name}-ubyte.gz") for name in ("images-idx3", "labels-idx1"))
    loaded = fc.onnx.load(_folder() / "mnist-8" / "model.onnx")
    scores = [loaded.run([image[None, None].astype(np.float32)])[0] for image in images]
    assert np.mean(np.argmax(np.concatenate(scores), 1) == labels) == pytest.approx(0.9891)


def test_accuracy_on_cifar10() -> None:
    with np.load(_folder().parent / "cifar10" / "cifar10_exact_subset.npz") as arrays:
        images, labels = arrays["test_images"], arrays["all_test_labels"][: len(arrays["test_images"])]
    mean, std = (
        np.array(numbers, np.float32)[:, None, None] for numbers in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    )
    loaded = fc.onnx.load(_folder() / "cifar10-resnet20" / "model.onnx")
    (scores,) = loaded.run([(images / np.float32(255) - mean) / std])
    assert np.mean(np.argmax(scores, 1) == labels) == pytest.approx(0.916, abs=0.001)
