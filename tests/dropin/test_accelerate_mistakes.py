"""`accelerate` on loops with the usual mistakes: they stay as they are, and the message names the case."""

from __future__ import annotations

import re

import loop_code
import pytest
from grids import quick
from loop_code import (
    CONV2D,
    CONV_PARAM,
    COUNTS,
    COURSE_NOTES,
    HARD_CODED_STRIDES,
    LAST_OF_TIES,
    OPAQUE,
    POOL_PARAM,
    bound,
    changed,
    load,
    numbers,
    same,
)

import fastconv as fc
from fastconv.dropin.accelerate import AccelerationWarning

Change = tuple[str, str]


def before(line: str, more: str) -> Change:
    """Lines put in before one, at the depth of a function."""
    return f"    {line}", f"    {more}\n    {line}"


ADDED = "dx[n, c, i * stride + k, j * stride + l] += dout[n, c, i, j]"
WINDOW = "dx[n, c, i * stride : i * stride + HH, j * stride : j * stride + WW]"
PLACE = "k, l = np.unravel_index(window.argmax(), window.shape)"
MAXIMUM = "out[:, :, i, j] = window.max(axis=(2, 3))"
POOL_SIZES = "HH, WW, stride = pool_param"
POOL_OUT = "OH, OW = 1 + (H - HH) // stride, 1 + (W - WW) // stride\n    out = np.zeros((N, C, OH, OW), dtype"
CONV_DONE = "return out, (x, w, b, conv_param)"
GRADIENTS = "return dpadded[:, :, pad : pad + H, pad : pad + W], dw, db"
BOOK_BIAS = "self.db = np.sum(dout, axis=0)"
COURSERA_ADDED = "dA_prev[i, h * stride + k, w * stride + l, c] += dA[i, h, w, c]"
SENSITIVITIES = "patch += self.filters[f].get_weights() * "

# Mistake: module, what is changed in it, the function that is left as it is, what the message says.
WRONG: dict[str, tuple[str, tuple[Change, ...], str, str]] = {
    "overlap assigned": (
        "CS231N",
        ((ADDED, ADDED.replace("+=", "=")),),
        "max_pool_backward_naive",
        r"with overlapping windows \(x \(1, 1, 5, 5\), 3x3 windows, stride 1\) dx differs by up to .* overwrite each",
    ),
    "ties to the last": (
        "CS231N",
        ((PLACE, "k, l = np.argwhere(window == window.max())[-1]"),),
        "max_pool_backward_naive",
        r"with ties .*: .*the last gets the gradient",
    ),
    "zero padding of a maximum": (
        "PLAIN",
        (("padding, fill=-np.inf)", "padding, fill=0)"),),
        "max_pool2d",
        r"with padding .*y differs by up to .*: the padding is zero and not minus infinity",
    ),
    "maximum from zero": (
        "CS231N",
        ((MAXIMUM, "out[:, :, i, j] = np.maximum(0, window.max(axis=(2, 3)))"),),
        "max_pool_forward_naive",
        r"y differs by up to .*: the maximum starts from zero",
    ),
    "height of the kernel for its width": (
        "CS231N",
        (("F, _, HH, WW = w.shape", "F, _, WW, HH = w.shape"),),
        "conv_forward_naive",
        r"with a kernel as large as the image .* y has shape \(1, 1, 0, 2\) instead of \(1, 1, 1, 1\)",
    ),
    "height of the image for its width": (
        "CS231N",
        (("1 + (W + 2 * pad - WW) // stride", "1 + (H + 2 * pad - WW) // stride"),),
        "conv_forward_naive",
        r"with overlapping rectangular windows \(x \(1, 1, 6, 5\).* y has shape",
    ),
    "stride rounded up": (
        "CS231N",
        ((POOL_OUT, POOL_OUT.replace("1 + (H - HH)", "1 - (HH - H)").replace("1 + (W - WW)", "1 - (WW - W)")),),
        "max_pool_forward_naive",
        r"with a stride that does not divide \(.*\) y has shape \(1, 1, 3, 4\) instead of \(1, 1, 2, 3\)",
    ),
    "kernel flipped": (
        "CS231N",
        (("np.sum(patch * w[f])", "np.sum(patch * w[f, :, ::-1, ::-1])"),),
        "conv_forward_naive",
        r"in the plain case .*: it computes a convolution with the kernel flipped; fastconv, like every .* correlates",
    ),
    "bias forgotten": (
        "CS231N",
        (("+ b[f]", ""),),
        "conv_forward_naive",
        "in the plain case .*: the bias is forgotten",
    ),
    "gradient of the bias forgotten": (
        "CS231N",
        (("db[f] += dout[n, f, i, j]", "pass"),),
        "conv_backward_naive",
        "dbias differs by up to .*: it is all zeros",
    ),
    "gradient divided by the batch": (
        "CS231N",
        ((GRADIENTS, GRADIENTS.replace("dw", "dw / N")),),
        "conv_backward_naive",
        "dweight differs by up to .*: it is divided by the number of images",
    ),
    "gradient with its padding": (
        "CS231N",
        ((GRADIENTS, "return dpadded, dw, db"),),
        "conv_backward_naive",
        r"with padding .* dx has shape \(1, 1, 7, 7\) instead of \(1, 1, 5, 5\)",
    ),
    "gradient of the output set to zero": (
        "CS231N",
        (before(GRADIENTS, "dout *= 0"),),
        "conv_backward_naive",
        "in the plain case .* its input dy is modified in place",
    ),
    "image changed": (
        "CS231N",
        (before(CONV_DONE, "kept = x.copy(); x[0, 0, 0, 0] = 0"), (CONV_DONE, "return out, (kept, w, b, conv_param)")),
        "conv_forward_naive",
        "in the plain case .* its input x is modified in place",
    ),
    "image changed where there is no padding": (
        "CS231N",
        (before(CONV_DONE, "x -= not pad"),),
        "conv_forward_naive",
        "in the plain case .* its input x is modified in place",
    ),
    "channels in blocks of eight": (
        "CS231N",
        (("np.sum(patch * w[f])", "np.sum(patch[: C - C % 8 or C] * w[f, : C - C % 8 or C])"),),
        "conv_forward_naive",
        r"with many channels \(x \(1, 9, 4, 4\), .* y differs",
    ),
    "images beyond the second": (
        "CS231N",
        ((GRADIENTS, GRADIENTS.replace("dw", "dw * (N < 3)")),),
        "conv_backward_naive",
        r"with many channels \(x \(3, 1, 4, 4\), .* dweight differs by up to .*: it is all zeros",
    ),
    "an axis squeezed away": (
        "CS231N",
        (before(CONV_DONE, "out = out if F > 1 else out[:, 0]"),),
        "conv_forward_naive",
        r"with a single channel .* y has shape \(1, 3, 3\) instead of \(1, 1, 3, 3\)",
    ),
    "maximum from minus ten": (
        "CS231N",
        ((MAXIMUM, "out[:, :, i, j] = np.maximum(-10, window.max(axis=(2, 3)))"),),
        "max_pool_forward_naive",
        "with negative input .* y differs",
    ),
    "windows of three at most": (
        "CS231N",
        ((MAXIMUM, "out[:, :, i, j] = window[:, :, :3, :3].max(axis=(2, 3))"),),
        "max_pool_forward_naive",
        r"with a large kernel \(x \(1, 1, 6, 8\), 4x5 windows, stride 2\) y differs",
    ),
    "cut with minus the padding": (
        "CS231N",
        ((GRADIENTS, "return dpadded[:, :, pad:-pad, pad:-pad], dw, db"),),
        "conv_backward_naive",
        r"in the plain case .* dx has shape \(1, 1, 0, 0\) .*: \[pad:-pad\] is empty without padding; write \[pad:pad",
    ),
    "bias twice": (
        "CS231N",
        (("+ b[f]", "+ 2 * b[f]"),),
        "conv_forward_naive",
        "in the plain case .*: the bias is added twice",
    ),
    "something is kept": (
        "CS231N",
        (
            ("def conv_forward_naive", "seen = set()\n\n\ndef conv_forward_naive"),
            before(CONV_DONE, "out += x.tobytes() in seen; seen.add(x.tobytes())"),
        ),
        "conv_forward_naive",
        "y differs by up to 1",
    ),
    "strides from the shape": (
        "PLAIN",
        (HARD_CODED_STRIDES,),
        "conv2d",
        "with input in Fortran order .* y differs",
    ),
    "padding by itself": (
        "IMAGES",
        (before("rows, columns = image.shape[0] - kernel", "image = np.pad(image, 1 + kernel.shape[0] // 2)"),),
        "convolve2d",
        r"with a single image .* y has shape \(1, 1, 7, 7\) instead of \(1, 1, 3, 3\)",
    ),
    "every call raises": (
        "CS231N",
        (before(POOL_SIZES, "raise OSError('no file')"),),
        "max_pool_forward_naive",
        r"in the plain case .* it raised OSError: no file \(max_pool_forward_naive, line \d+\)",
    ),
    "every call ends the program": (
        "CS231N",
        (before(POOL_SIZES, "raise SystemExit"),),
        "max_pool_forward_naive",
        "in the plain case .* it raised SystemExit",
    ),
    "columns assigned": (
        "COLUMNS",
        (("np.add.at(x_padded, (slice(None), k, i, j), cols_reshaped)", "x_padded[:, k, i, j] = cols_reshaped"),),
        "col2im_indices",
        "dx differs",
    ),
    "overlap assigned, tutorial": (
        "TUTORIAL",
        (("j * self.stride + l] += sensitivity_array", "j * self.stride + l] = sensitivity_array"),),
        "MaxPoolingLayer.backward",
        "with overlapping windows .*: .* overwrite each other",
    ),
    "kernel flipped, tutorial": (
        "TUTORIAL",
        ((SENSITIVITIES, SENSITIVITIES.replace("()", "()[:, ::-1, ::-1]")),),
        "ConvLayer.bp_sensitivity_map",
        "dx differs by up to .*: the kernel is flipped once too",
    ),
    "gradients that add up, book": (
        "SCRATCH",
        (("self.dW = np.dot", "self.dW = (0 if self.dW is None else self.dW) + np.dot"),),
        "Convolution.backward",
        r"in the plain case \(x .* a second backward pass does not give the same as the first: gradients add up",
    ),
    "an object that keeps its first columns, book": (
        "SCRATCH",
        (("self.col_W = x, col, col_W", "self.col_W = x, (col if self.col is None else self.col), col_W"),),
        "Convolution.backward",
        r"in the plain case .* dweight differs .*, where its object was called before",
    ),
    "an object that takes images of its first size alone, book": (
        "SCRATCH",
        (before("    self.x, self.col, self.col_W", "    assert self.x is None or self.x.shape[1:] == x.shape[1:]"),),
        "Convolution.forward",
        "it raises, where its object was called with another size before, and its equivalent does not",
    ),
    "an object with a step that is another in later calls, book": (
        "SCRATCH",
        (("self.dW = np.dot", "self.dW = (1 if self.dW is None else 2) * np.dot"),),
        "Convolution.backward",
        "a second backward pass does not give the same as the first",
    ),
    "maximum from minus a thousand": (
        "CS231N",
        ((MAXIMUM, "out[:, :, i, j] = np.maximum(-1000, window.max(axis=(2, 3)))"),),
        "max_pool_forward_naive",
        "with negative input .* y differs",
    ),
    "gradients that add up, tutorial": (
        "TUTORIAL",
        (("            each.weights_grad[...] = 0\n", ""),),
        "ConvLayer.bp_gradient",
        "a second backward pass does not give the same as the first",
    ),
    "dilation in steps of one": (
        "PLAIN",
        (
            (
                CONV2D,
                f"    dilation = dilation if stride == 1 else 1\n{CONV2D}",
            ),
        ),
        "conv2d",
        "with dilation and stride .* y has shape",
    ),
    "mean for a sum, book": (
        "SCRATCH",
        ((BOOK_BIAS, BOOK_BIAS.replace("sum", "mean")),),
        "Convolution.backward",
        "dbias differs by up to .*: it is the mean over the positions",
    ),
}


# Mistakes that properties of a call tell: the function is replaced, but not for calls with these.
OUTSIDE = {
    "overlap assigned": "overlapping windows",
    "overlap assigned, tutorial": "overlapping windows",
    "columns assigned": "overlapping windows",
    "height of the kernel for its width": "a rectangular kernel",
    "stride rounded up": "a stride that does not divide",
    "gradient divided by the batch": "several images",
    "gradient with its padding": "padding, or with much padding",
    "image changed where there is no padding": "no padding, or with read-only arrays",
    "an axis squeezed away": "a single filter",
    "cut with minus the padding": "no padding",
    "dilation in steps of one": "a larger stride and dilation, or with dilation and padding",
}


@pytest.mark.parametrize("mistake", quick(WRONG, 4))
def test_wrong_loops_are_left_and_the_case_is_named(mistake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    base, changes, name, message = WRONG[mistake]
    module = load(monkeypatch, changed(getattr(loop_code, base), *changes))
    originals = bound(module)
    with pytest.warns(AccelerationWarning) as warned:
        accelerated = fc.accelerate(module)
    (text,) = [str(each.message) for each in warned if f" {name} was" in str(each.message)]
    limits = f" for calls with {OUTSIDE[mistake]}" if mistake in OUTSIDE else ""
    assert re.search(f"^accelerate: {name} was left as it is{limits}: .*{message}", text), text
    assert (name in accelerated.refused) == (bound(module)[name] is originals[name]) == (mistake not in OUTSIDE)
    assert (name in accelerated) == (name in accelerated.partly) == (mistake in OUTSIDE)
    assert len(accelerated) + len(accelerated.refused) == COUNTS[base]
    assert len(accelerated) > 0  # what is right is replaced all the same


def test_the_functions_of_the_course_notes(monkeypatch: pytest.MonkeyPatch) -> None:
    module = load(monkeypatch, COURSE_NOTES)
    with pytest.warns(AccelerationWarning, match="max_pool_backward_naive was left as it is for calls with over"):
        accelerated = fc.accelerate(module)
    assert set(accelerated.partly) == {"max_pool_backward_naive"}  # it assigns where it has to add
    assert len(accelerated) == 4
    x, w, b = numbers(2, 3, 8, 7), numbers(4, 3, 3, 3), numbers(4)
    y, cache = module.conv_forward_naive(x, w, b, CONV_PARAM)
    expected_y, expected_cache = accelerated["conv_forward_naive"](x, w, b, CONV_PARAM)
    same((y, *cache), (expected_y, *expected_cache))
    same(module.conv_backward_naive(y, cache), accelerated["conv_backward_naive"](y, tuple(cache)))
    # their gradient goes on with our cache, wrong as it was
    maxima, cache = module.max_pool_forward_naive(x, POOL_PARAM)
    _, theirs = accelerated["max_pool_forward_naive"](x, POOL_PARAM)
    same(module.max_pool_backward_naive(maxima, cache), module.max_pool_backward_naive(maxima, theirs))


def test_a_mismatch_has_numbers_and_a_small_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    accelerated = fc.accelerate(load(monkeypatch, LAST_OF_TIES), on_mismatch="skip")
    mismatch = accelerated.refused["max_pool_backward_naive"]
    assert (mismatch.case, mismatch.array) == ("ties", "dx")
    assert mismatch.difference > 0.1
    assert mismatch.problem is not None
    assert mismatch.problem.x.shape == (1, 1, 4, 4)
    assert str(mismatch) == mismatch.text


def test_a_forward_function_is_not_taken_from_a_wrong_partner_that_needs_its_cache(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = load(monkeypatch, changed(loop_code.CS231N, *OPAQUE, ("db[f] += dout[n, f, i, j]", "pass")))
    accelerated = fc.accelerate(module, on_mismatch="skip")
    assert "dbias" in accelerated.refused["conv_backward_naive"].text
    assert accelerated.refused["conv_forward_naive"].text == (
        "conv_backward_naive, which was left as it is, does not work with its fast equivalent"
    )


def test_a_pair_that_keeps_its_cache_elsewhere_stands_together(monkeypatch: pytest.MonkeyPatch) -> None:
    done, start = "return out, (x, w, b, conv_param)", "    x, w, b, conv_param = cache"
    hidden = (
        ("def conv_forward_naive", "kept = []\n\n\ndef conv_forward_naive"),
        (done, f"kept[:] = x, w, b, conv_param\n    {done}"),
        (start, "    x, w, b, conv_param = kept"),
    )
    accelerated = fc.accelerate(load(monkeypatch, changed(loop_code.CS231N, *hidden)), on_mismatch="raise")
    assert {"conv_forward_naive", "conv_backward_naive"} <= set(accelerated)
    text = changed(loop_code.CS231N, *hidden, ("db[f] += dout[n, f, i, j]", "pass"))
    accelerated = fc.accelerate(load(monkeypatch, text), on_mismatch="skip")
    assert set(accelerated.refused) == {"conv_forward_naive", "conv_backward_naive"}


def test_a_backward_function_is_not_replaced_beside_a_wrong_partner_whose_cache_is_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = load(monkeypatch, changed(loop_code.CS231N, *OPAQUE, ("+ b[f]", "")))
    accelerated = fc.accelerate(module, on_mismatch="skip")
    assert "bias is forgotten" in accelerated.refused["conv_forward_naive"].text
    assert "it works on what conv_forward_naive keeps" in accelerated.refused["conv_backward_naive"].text


def test_a_backward_function_is_replaced_beside_a_wrong_partner_with_the_documented_cache(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    accelerated = fc.accelerate(load(monkeypatch, changed(loop_code.CS231N, ("+ b[f]", ""))), on_mismatch="skip")
    assert set(accelerated.refused) == {"conv_forward_naive"}
    assert "conv_backward_naive" in accelerated


def test_a_forward_function_alone_must_have_the_documented_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    module = load(monkeypatch, loop_code.CS231N)
    assert set(fc.accelerate(module.conv_forward_naive)) == {"conv_forward_naive"}
    module = load(monkeypatch, changed(loop_code.CS231N, *OPAQUE))
    accelerated = fc.accelerate(module.conv_forward_naive, on_mismatch="skip")
    assert "its cache is not that of conv_forward" in accelerated.refused["conv_forward_naive"].text


def test_a_backward_function_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    module = load(monkeypatch, loop_code.CS231N)
    assert set(fc.accelerate(module.max_pool_backward_naive)) == {"max_pool_backward_naive"}
