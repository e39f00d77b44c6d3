"""The same right loops in many forms: other names, results, shapes of bias, sizes and parameters. None is refused."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import pytest
from loop_code import CS231N, SCRATCH, changed, load
from programs import ROOT

import fastconv as fc
from fastconv.dropin.conventions.layouts import LAYOUTS, Layout
from fastconv.dropin.conventions.recognise import recognise
from fastconv.dropin.conventions.signatures import means, read_form
from fastconv.dropin.conventions.structure import find_structure

CONV = """
import numpy as np


def conv2d(x, w, b, stride=1, padding=0):
    (sh, sw), (ph, pw) = (stride, stride), (padding, padding)
    x = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)))
    KH, KW = w.shape[2:]
    y = np.zeros((len(x), len(w), (x.shape[2] - KH) // sh + 1, (x.shape[3] - KW) // sw + 1))
    for i in range(y.shape[2]):
        for j in range(y.shape[3]):
            window = x[:, :, i * sh : i * sh + KH, j * sw : j * sw + KW]
            y[:, :, i, j] = np.tensordot(window, w, ((1, 2, 3), (1, 2, 3)))
    return y + b.reshape(-1, 1, 1)


def conv2d_backward(dy, x, w, stride=1, padding=0):
    (sh, sw), (ph, pw) = (stride, stride), (padding, padding)
    x, (KH, KW) = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw))), w.shape[2:]
    dx, dw, db = np.zeros(x.shape), np.zeros(w.shape), dy.sum((0, 2, 3))
    for i in range(dy.shape[2]):
        for j in range(dy.shape[3]):
            window = np.s_[:, :, i * sh : i * sh + KH, j * sw : j * sw + KW]
            dx[window] += np.tensordot(dy[:, :, i, j], w, 1)
            dw += np.tensordot(dy[:, :, i, j], x[window], ((0,), (0,)))
    dx = dx[:, :, ph : x.shape[2] - ph, pw : x.shape[3] - pw]
    return dx, dw, db
"""
POOL = """
import numpy as np


def maxpool(x, size=2, stride=2):
    (KH, KW), (sh, sw) = (size, size), (stride, stride)
    y = np.zeros((*x.shape[:2], (x.shape[2] - KH) // sh + 1, (x.shape[3] - KW) // sw + 1))
    for i in range(y.shape[2]):
        for j in range(y.shape[3]):
            y[:, :, i, j] = x[:, :, i * sh : i * sh + KH, j * sw : j * sw + KW].max((2, 3))
    return y
"""
FORWARD_HEAD, BACKWARD_HEAD = "conv2d(x, w, b, stride=1, padding=0)", "conv2d_backward(dy, x, w, stride=1, padding=0)"
Y, GRADIENTS, DB = "y + b.reshape(-1, 1, 1)", "return dx, dw, db", "dy.sum((0, 2, 3))"
CLASS = "class Result:\n    def __init__(self, **parts):\n        self.__dict__.update(parts)\n\n\ndef conv2d(x"
NUMBERS = "(sh, sw), (ph, pw) = (stride, stride), (padding, padding)"
WINDOWS = "(KH, KW), (sh, sw) = (size, size), (stride, stride)"
SAID = "x, w, b = input, weight, np.zeros(len(weight)) if bias is None else bias\n    assert dilation == groups == 1"

# What is written in another way: replacements in CONV.
CONVS: dict[str, tuple[tuple[str, str], ...]] = {
    "as it is": (),
    "a list of gradients": ((GRADIENTS, "return [dx, dw, db]"),),
    "a dict of gradients in another order": ((GRADIENTS, "return dict(db=db, dW=dw, dX=dx)"),),
    "gradients in another order": ((GRADIENTS, "return dw, db, dx"),),
    "gradients in attributes": (("def conv2d(x", CLASS), (GRADIENTS, "return Result(dx=dx, dw=dw, db=db)")),
    "gradients without that of the bias": ((GRADIENTS, "return dx, dw"),),
    "the output in a list": ((Y, f"[{Y}]"),),
    "the output in a dict": ((Y, f"dict(out={Y}, layer='conv')"),),
    "a bias of (F, 1)": ((Y, "y + b[:, :, None]"), (DB, f"{DB}[:, None]")),
    "a bias of (1, F)": ((Y, "y + b[..., None, None]"), (DB, f"{DB}[None]")),
    "a bias of (F, 1, 1)": ((Y, "y + b"), (DB, f"{DB}[:, None, None]")),
    "a bias of (1, F, 1, 1)": ((Y, "y + b[0]"), (DB, f"{DB}[None, :, None, None]")),
    "a bias of (1, 1, 1, F)": ((Y, "y + b.transpose(0, 3, 1, 2)"), (DB, f"{DB}[None, None, None]")),
    "a bias of (F, 1, 1, 1)": ((Y, "y + b[:, 0]"), (DB, f"{DB}[:, None, None, None]")),
    "one number for a bias": (("w, b, stride", "w, b=0.0, stride"), (Y, "y + float(b)"), (GRADIENTS, "return dx, dw")),
    "pairs of sizes": (
        (FORWARD_HEAD, "conv2d(x, w, b, stride, padding)"),
        (BACKWARD_HEAD, "conv2d_backward(dy, x, w, stride, padding)"),
        (NUMBERS, "(sh, sw), (ph, pw) = stride, padding"),
    ),
    "more parameters with defaults": (
        (FORWARD_HEAD, "conv2d(x, w, b, verbose=False, stride=1, padding=0, activation=None, **options)"),
        (BACKWARD_HEAD, "conv2d_backward(dy, x, w, stride=1, padding=0, *, groups=1)"),
    ),
    "PyTorch's parameters": (
        (FORWARD_HEAD, "conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1)"),
        ("    x = np.pad", f"    {SAID}\n    x = np.pad"),
    ),
    "capitals": (("conv2d_backward", "Conv2DBackward"), ("conv2d(", "Conv2D(")),
    "other words": (("conv2d_backward", "ConvolutionGrad"), ("conv2d(", "Convolution(")),
    "words in one": (("conv2d_backward", "dconv"), ("conv2d(", "convforward(")),
    "parameters by their words": (
        (FORWARD_HEAD, "conv2d(input_image, filter_weights, biases, stride=1, zero_padding=0)"),
        ("    x = np.pad", "    x, w, b = input_image, filter_weights, biases\n    x = np.pad"),
        (BACKWARD_HEAD, "conv2d_backward(next_dz, x, w, stride=1, zero_padding=0)"),
        (NUMBERS, NUMBERS.replace("(padding, padding)", "(zero_padding, zero_padding)")),
        ("    dx, dw, db = np.zeros", "    dy = next_dz\n    dx, dw, db = np.zeros"),
    ),
    "another order": (
        (FORWARD_HEAD, "conv2d(w, x, stride, padding, b)"),
        (BACKWARD_HEAD, "conv2d_backward(x, dy, w, stride=1, padding=0)"),
    ),
}


@pytest.mark.parametrize("form", CONVS)
def test_every_form_of_a_convolution_is_replaced(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    accelerated = fc.accelerate(load(monkeypatch, changed(CONV, *CONVS[form])), on_mismatch="skip")
    assert (dict(accelerated.refused), len(accelerated)) == ({}, 2)
    assert set(accelerated.partly) <= ({"conv2d"} if "PyTorch" in form else set())  # it asserts that nothing is dilated


# The axes of x, weights and output, in the letters of `einsum`, where o and p are places, i and j of the window.
ORDERS = {
    "NHWC": ("nopijc,ijcf->nopf", "(1, 2)"),
    "HWC": ("opijc,ijcf->opf", "(0, 1)"),
    "HWC, one filter": ("opijc,ijc->op", "(0, 1)"),
    "HWC, filters first": ("opijc,fijc->opf", "(0, 1)"),
    "CHW": ("copij,fcij->fop", "(1, 2)"),
    "CHW, one filter": ("copij,cij->op", "(1, 2)"),
    "HW, filters last": ("opij,fij->opf", "(0, 1)"),
    "HW, filters first": ("opij,fij->fop", "(0, 1)"),
}
LAST = """
import numpy as np


def conv(x, w, stride=1):
    x = np.asarray(x, float)
    places = [axis for axis in AXES]
    kernel = [w.shape[SUMS.split(",")[1].split("-")[0].index(letter)] for letter in "ij"]
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel, axis=places)
    windows = np.moveaxis(windows, [-2, -1], [places[1] + 1, places[1] + 2] if FIRST else [-2, -1])
    step = [slice(None)] * windows.ndim
    for axis in places:
        step[axis] = slice(None, None, stride)
    return np.einsum(SUMS, windows[tuple(step)], w)
"""


@pytest.mark.parametrize("order", ORDERS)
def test_a_convolution_in_every_order_of_axes_is_replaced(order: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sums, axes = ORDERS[order]
    module = load(monkeypatch, f"SUMS, AXES, FIRST = {sums!r}, {axes}, {'ijc' in sums.split(',')[0]}\n{LAST}")
    accelerated = fc.accelerate(module, on_mismatch="skip")
    assert (dict(accelerated.refused), dict(accelerated.partly), len(accelerated)) == ({}, {}, 1)
    sizes = dict(zip("nopcfij", (2, 6, 7, 3, 4, 3, 2)))
    terms = sums.split("->")[0].split(",")
    shapes = [[sizes[one] for one in term] for term in (terms[0].replace("ij", ""), terms[1])]
    x, w = (np.random.default_rng(0).standard_normal(shape) for shape in shapes)
    np.testing.assert_allclose(module.conv(x, w, stride=2), accelerated["conv"](x, w, stride=2))


def test_a_convolution_that_keeps_the_size_of_the_image_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    text = """
        import numpy as np
        def convolve2d(image, kernel):
            (h, w), y = (size // 2 for size in kernel.shape), np.zeros(image.shape)
            padded = np.pad(image, ((h, h), (w, w)))
            for i in range(y.shape[0]):
                for j in range(y.shape[1]):
                    y[i, j] = (padded[i : i + kernel.shape[0], j : j + kernel.shape[1]] * kernel).sum()
            return y
    """
    module = load(monkeypatch, dedent(text))
    accelerated = fc.accelerate(module, on_mismatch="skip")
    assert (dict(accelerated.refused), list(accelerated)) == ({}, ["convolve2d"])
    x = np.random.default_rng(0).standard_normal((7, 8))
    for kernel in (x[:3, :5], x[:5, :5], x[:2, :2], x[:4, :3]):  # the last two are left to the original
        np.testing.assert_allclose(module.convolve2d(x, kernel), accelerated["convolve2d"](x, kernel))
    fixed = changed(dedent(text), ("np.pad(image, ((h, h), (w, w)))", "np.pad(image, 1)"))
    accelerated = fc.accelerate(load(monkeypatch, fixed), on_mismatch="skip")
    assert list(accelerated) == []  # right for kernels of three alone


@pytest.mark.parametrize(("shape", "axes"), [("2:4", (2, 3)), ("1:3", (1, 2)), ("0:2", (0, 1))])
def test_a_pooling_in_every_order_of_axes_is_replaced(
    shape: str, axes: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = f"""
        import numpy as np
        def maxpool2d(x, size=2):
            windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), axis={axes})
            step = [slice(None)] * windows.ndim
            step[{shape}] = [slice(None, None, size)] * 2
            return windows[tuple(step)].max((-2, -1))
    """
    accelerated = fc.accelerate(load(monkeypatch, dedent(text)), on_mismatch="skip")
    assert (dict(accelerated.refused), dict(accelerated.partly), len(accelerated)) == ({}, {}, 1)


def test_results_are_what_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    x, w = np.ones((2, 3, 5, 6), np.float32), np.ones((4, 3, 2, 2), np.float32)
    for form, bias in (("a bias of (F, 1)", (4, 1)), ("a dict of gradients in another order", (4,))):
        module = load(monkeypatch, changed(CONV, *CONVS[form]))
        b = np.ones(bias, np.float32)
        y = module.conv2d(x, w, b)
        before = module.conv2d_backward(y, x, w, padding=0)
        with fc.accelerate(module):
            assert module.conv2d(x, w, b).dtype == y.dtype
            now = module.conv2d_backward(y, x, w, padding=0)
        named = [each.items() if isinstance(each, dict) else enumerate(each) for each in (before, now)]
        for (name, one), (other_name, other) in zip(*named):
            assert (name, one.shape, one.dtype) == (other_name, other.shape, other.dtype)
            np.testing.assert_allclose(one, other)


def test_a_parameter_of_no_known_meaning_stays_at_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    head = "conv2d(x, w, b, stride=1, padding=0, factor=1)"
    module = load(monkeypatch, changed(CONV, (FORWARD_HEAD, head), (Y, f"factor * ({Y})")))
    x, w, b = np.ones((1, 2, 4, 4)), np.ones((3, 2, 2, 2)), np.zeros(3)
    with fc.accelerate(module.conv2d):
        calls = [module.conv2d(x, w, b, factor=each) for each in (1, 2)]
        by_position = module.conv2d(x, w, b, 1, 0, 3)
    np.testing.assert_allclose(calls[1], 2 * calls[0])
    np.testing.assert_allclose(by_position, 3 * calls[0])


def test_a_result_that_holds_more_is_right_and_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    text = changed(CONV, (Y, f"dict(out={Y}, padded=x)"))
    accelerated = fc.accelerate(load(monkeypatch, text).conv2d, on_mismatch="skip")
    assert accelerated.refused["conv2d"].text == "its result holds more: padded"


def test_a_function_of_any_name_with_the_parameters_of_pytorch_is_mapped(monkeypatch: pytest.MonkeyPatch) -> None:
    module = load(monkeypatch, changed(CONV, *CONVS["PyTorch's parameters"], ("def conv2d(", "def sharpen(")))
    accelerated = fc.accelerate(module, {"sharpen": "plain.conv2d"}, on_mismatch="skip")
    assert "sharpen" in accelerated
    assert "dilation" in accelerated.partly["sharpen"]  # in which it raises


CACHED = (
    (FORWARD_HEAD, "conv_forward(X, w, b, stride=1, padding=0)"),
    ("    x = np.pad(x", "    x = np.pad(X"),
    (Y, f"{Y}, (X, w, stride, padding)"),
    (BACKWARD_HEAD, "conv_backward(dout, cache)"),
    (f"    {NUMBERS}\n    x, (KH", f"    dy, (x, w, stride, padding) = dout, cache\n    {NUMBERS}\n    x, (KH"),
)


def test_forward_functions_of_many_parameters_may_keep_a_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    module = load(monkeypatch, changed(CONV, *CACHED))
    (found,) = recognise(module)
    assert (found.convention.name, set(found.targets)) == ("cached.conv2d", {"forward", "backward"})
    accelerated = fc.accelerate(module, on_mismatch="skip")
    assert list(accelerated) == ["conv_forward", "conv_backward"]
    x, w, b = np.ones((1, 2, 5, 4)), np.ones((3, 2, 2, 3)), np.zeros(3)
    y, cache = module.conv_forward(x, w, b, padding=1)
    dx, dw, db = module.conv_backward(np.ones_like(y), cache)
    _, theirs = accelerated["conv_forward"](x, w, b, padding=1)
    for one, other in zip((dx, dw, db), accelerated["conv_backward"](np.ones_like(y), theirs)):
        np.testing.assert_allclose(one, other)
    np.testing.assert_allclose(module.conv_backward(np.ones_like(y), theirs)[0], dx)  # a cache of before


RETURNS, KEPT = "return out, (x, w, b, conv_param)", "(x, w, b, conv_param)"
THEIR_DX, SIZES = "dpadded[:, :, pad : pad + H, pad : pad + W]", 'conv_param["stride"], conv_param["pad"]'
COURSE = {
    "the output alone": ((RETURNS, "return out"),),
    "a list": ((RETURNS, f"return [out, {KEPT}]"),),
    "a dict": (
        (RETURNS, f"return dict(cache={KEPT}, out=out)"),
        (f"return {THEIR_DX}, dw, db", f"return dict(dx={THEIR_DX}, dw=dw, db=db)"),
    ),
    "a parameter more": (("naive(x, w, b, conv_param)", "naive(x, w, b, conv_param, verbose=False)"),),
    "a bias of (F, 1)": (("+ b[f]", "+ b[f, 0]"), ("db[f] +=", "db[f, 0] +=")),
    "other names": (("conv_forward_naive", "convForward"), ("conv_backward_naive", "backConv")),
}


@pytest.mark.parametrize("form", COURSE)
def test_forms_of_the_course(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    code = changed(CS231N, *COURSE[form]).split("def max_pool_forward_naive")[0]
    accelerated = fc.accelerate(load(monkeypatch, code), on_mismatch="skip")
    assert (dict(accelerated.refused), dict(accelerated.partly), len(accelerated)) == ({}, {}, 2)


def test_a_form_that_a_course_does_not_know_is_right_with_a_remark(tmp_path: Path) -> None:
    file = tmp_path / "layers.py"
    backward = (f"return {THEIR_DX}, dw, db", f"return {THEIR_DX}, dw")
    file.write_text(changed(CS231N, *COURSE["a bias of (F, 1)"], backward), encoding="utf-8")
    report = fc.check(file, cases=["a single image", "padding"])
    assert report.ok
    found = report["conv_forward_naive"]
    assert found["a single image"].remark == "its bias is of (F, 1), not (F,), it returns no gradient of the bias"
    assert found["padding"].remark == ""


POOL_HEAD = "maxpool(x, size=2, stride=2)"
POOLS = {
    "other names": ((POOL_HEAD, "MaxPool2D(input_image, size=2, stride=2)"), (WINDOWS, "x = input_image; " + WINDOWS)),
    "pairs": ((POOL_HEAD, "maxpool(x, pool_size, stride)"), (WINDOWS, "(KH, KW), (sh, sw) = pool_size, stride")),
    "a pair and a number": ((POOL_HEAD, "maxpool(x, f, s)"), (WINDOWS, "(KH, KW), (sh, sw) = f, (s, s)")),
    "no stride": ((POOL_HEAD, "maxpool(x, pool_size)"), (WINDOWS, "KH = KW = sh = sw = pool_size")),
    "a stride of one": ((POOL_HEAD, "maxpool(x, dims)"), (WINDOWS, "(KH, KW), (sh, sw) = dims, (1, 1)")),
    "a mode": ((POOL_HEAD, 'pool2d(x, pool_size, mode="max")'), (WINDOWS, "(KH, KW), (sh, sw) = pool_size, (1, 1)")),
    "no size": ((POOL_HEAD, "maxpool(x)"), (WINDOWS, "KH = KW = sh = sw = 2")),
    "no size, and windows of three": ((POOL_HEAD, "maxpool(x)"), (WINDOWS, "KH, KW, sh, sw = 3, 3, 2, 2")),
}  # fmt: skip


@pytest.mark.parametrize("form", POOLS)
def test_every_form_of_a_pooling_is_replaced(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    accelerated = fc.accelerate(load(monkeypatch, changed(POOL, *POOLS[form])), on_mismatch="skip")
    assert (dict(accelerated.refused), len(accelerated)) == ({}, 1)


MADE = "(self, W, b, stride=1, pad=0):"
OUT = "(np.dot(col, col_W) + self.b).reshape(N, out_h, out_w, -1).transpose(0, 3, 1, 2)"
THEIR_DB, METHOD = "self.db = np.sum(dout, axis=0)", "(self, x):\n        FN"
BOOK = {
    "a parameter more": ((MADE, f"{MADE[:-2]}, name=None):\n        self.name = name"),),
    "a forward method with a parameter more": ((METHOD, "(self, x, train=True):\n        FN"),),
    "a bias of (F, 1)": ((OUT, OUT.replace("self.b", "self.b[:, 0]")), (THEIR_DB, f"{THEIR_DB}[:, None]")),
    "no backward pass": (("backward(self, dout):\n        FN", "other(self, dout):\n        FN"),),
}


@pytest.mark.parametrize("form", BOOK)
def test_forms_of_the_classes_of_the_book(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = load(monkeypatch, changed(SCRATCH, *BOOK[form]))
    accelerated = fc.accelerate(module.Convolution, on_mismatch="skip")
    methods = 1 if form == "no backward pass" else 2
    assert (dict(accelerated.refused), dict(accelerated.partly), len(accelerated)) == ({}, {}, methods)


def test_a_layer_that_was_made_with_another_parameter_is_left_to_the_original(monkeypatch: pytest.MonkeyPatch) -> None:
    made = f"{MADE[:-2]}, factor=1):\n        self.factor = factor"
    module = load(monkeypatch, changed(SCRATCH, (MADE, made), (OUT, f"{OUT} * self.factor")))
    x, w, b = np.ones((1, 2, 4, 4)), np.ones((3, 2, 2, 2)), np.zeros(3)
    with fc.accelerate(module.Convolution):
        one, two = (module.Convolution(w, b, 1, 0, factor).forward(x) for factor in (1, 2))
    np.testing.assert_allclose(two, 2 * one)


COLUMNS = """
import numpy as np

AXES = "nchwij"


def image_to_column(x, kernel_size, stride=1, padding=0):
    n, c, k, p = *x.shape[:2], kernel_size, padding
    x = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
    out = [(size - k) // stride + 1 for size in x.shape[2:]]
    cols = np.zeros((n, c, k, k, *out))
    for i in range(out[0]):
        for j in range(out[1]):
            cols[..., i, j] = x[:, :, i * stride : i * stride + k, j * stride : j * stride + k]
    return cols.transpose([AXES.index(axis) for axis in ORDER]).reshape(shape(n, c, k, *out))


def column_to_image(cols, x_shape, kernel_size, stride=1, padding=0):
    (n, c, height, width), k, p = x_shape, kernel_size, padding
    out = [(size + 2 * p - k) // stride + 1 for size in (height, width)]
    sizes = dict(zip(AXES, (n, c, k, k, *out)))
    cols = cols.reshape([sizes[axis] for axis in ORDER]).transpose([ORDER.index(axis) for axis in AXES])
    x = np.zeros((n, c, height + 2 * p, width + 2 * p))
    for i in range(out[0]):
        for j in range(out[1]):
            x[:, :, i * stride : i * stride + k, j * stride : j * stride + k] += cols[..., i, j]
    return x[:, :, p : p + height, p : p + width]
"""
SHAPES = {"n": "n", "c": "c", "k": "k * k", "l": "h * w"}
APART = {"n": "n", "c": "c", "k": "k, k", "l": "h, w"}


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: "-".join(layout.axes) + " apart" * layout.apart)
def test_columns_of_every_order_are_replaced(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    order = "".join(layout.axes).replace("k", "hw").replace("l", "ij")
    names, between = (APART, ", ") if layout.apart else (SHAPES, " * ")
    sizes = [between.join(names[axis] for axis in group) for group in layout.axes]
    head = f'ORDER = "{order}"\n\n\ndef shape(n, c, k, h, w):\n    return {", ".join(sizes)}'
    module = load(monkeypatch, f"{head}\n{COLUMNS}")
    accelerated = fc.accelerate(module, on_mismatch="skip")
    assert (dict(accelerated.refused), dict(accelerated.partly), len(accelerated)) == ({}, {}, 2)
    x = np.random.default_rng(0).standard_normal((2, 3, 6, 5))
    columns = module.image_to_column(x, 2, stride=2, padding=1)
    np.testing.assert_array_equal(columns, accelerated["image_to_column"](x, 2, stride=2, padding=1))
    images = [each(columns, x.shape, 2, 2, 1) for each in (module.column_to_image, accelerated["column_to_image"])]
    np.testing.assert_allclose(*images)


@pytest.mark.parametrize("page", ["first_five_minutes.md", "accelerate.md"])
def test_the_loops_of_the_documentation_are_right(page: str, tmp_path: Path) -> None:
    path = ROOT / "docs" / page
    if not path.is_file():
        pytest.skip("the documentation is in a checkout and in the source distribution alone")
    blocks = re.findall(r"```(?:python|pycon)\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)
    loops = next(block for block in blocks if "for " in block and "np.zeros" in block)
    if ">>> def" in loops:
        loops = "\n".join(line[4:] for line in loops.split(">>> def", 1)[1].split("\n>>>")[0].splitlines()[1:])
        loops = f"def conv2d(x, w, b, stride=1):\n{loops}"
    file = tmp_path / "loops.py"
    file.write_text(f"import numpy as np\n\n\n{loops}\n", encoding="utf-8")
    report = fc.check(file)
    assert report.ok, str(report)


@pytest.mark.parametrize(
    ("name", "meaning", "right"),
    [
        *[(name, "x", True) for name in ("x", "input_image", "A_prev", "X", "img_array", "inputs", "feature_maps")],
        *[(name, "dy", True) for name in ("dout", "next_dz", "dZ", "grad_output", "dL_dout", "d_out", "delta")],
        *[(name, "weight", True) for name in ("W", "kernel", "filter_weights", "weight_matrix", "K")],
        *[(name, "kernel", True) for name in ("pool_size", "size", "filter_size", "kernel_size", "f")],
        *[(name, "padding", True) for name in ("pad", "zero_padding", "pad_size", "P")],
        ("filter_size", "weight", False),
        ("x_shape", "x", False),
        ("output", "dy", False),
        ("verbose", "stride", False),
    ],
)  # fmt: skip
def test_what_parameters_are_called(name: str, meaning: str, right: bool) -> None:
    assert means(name, meaning) is right


def test_a_parameter_that_means_something_else_is_not_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def keras(x: Any, filters: Any, kernel_size: int = 3, strides: int = 1) -> None: ...

    def required(x: Any, w: Any, callback: Any) -> None: ...

    for function in (keras, required):
        assert read_form(function, ("x", "weight"), ("bias", "stride", "padding", "dilation")) is None


def test_the_structure_of_a_result() -> None:
    y = np.zeros((2, 3, 4, 4))
    structure, sure = find_structure((y, {"x": 1}), {"y": y.shape}, "cache")
    assert sure
    assert structure.made({"y": 1, "cache": 2}) == (1, 2)
    assert structure.read(["not", "two"]) == {"y": "not", "cache": "two"}
    structure, sure = find_structure(None, {"y": y.shape})
    assert (sure, structure.read(y)) == (False, {"y": y})
    gradients = {"dx": (4,), "dweight": (2, 3)}
    assert find_structure((np.ones((2, 3)), np.ones(4)), gradients)[1]
    assert not find_structure((np.ones((2, 3)), np.ones(4)), gradients, ordered=True)[1]
    structure, sure = find_structure([1, y], {"y": (5, 5)})
    assert (sure, structure.read([1, 2])) == (False, {"y": 1})
