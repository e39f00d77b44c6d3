"""More than a hundred mistakes to put into the code of `loop_code`, and styles to put conditions into."""

from __future__ import annotations

from typing import NamedTuple

Change = tuple[str, str]


class Style(NamedTuple):
    """A function in one way of writing: where it is, its last line, a mistake, and what its sizes are called."""

    source: str
    label: str
    last: str
    mistake: str
    sizes: str


STYLES = {
    "cs231n forward": Style(
        "CS231N",
        "conv_forward_naive",
        "    return out, (x, w, b, conv_param)",
        "out = out + 1",
        "n_, c_, h_, w_ = x.shape; f_, _, k_, l_ = w.shape; s_, p_ = stride, pad",
    ),
    "cs231n backward": Style(
        "CS231N",
        "conv_backward_naive",
        "    return dpadded[:, :, pad : pad + H, pad : pad + W], dw, db",
        "dpadded = dpadded * 2",
        "n_, c_, h_, w_ = x.shape; f_, _, k_, l_ = w.shape; s_, p_ = stride, pad",
    ),
    "cs231n pool": Style(
        "CS231N",
        "max_pool_forward_naive",
        "    return out, (x, pool_param)\n\n\ndef max",
        "out = out * (out > 0)",
        "n_, c_, h_, w_ = x.shape; f_, k_, l_, s_, p_ = c_, HH, WW, stride, 0",
    ),
    "cs231n pool backward": Style(
        "CS231N",
        "max_pool_backward_naive",
        "    return dx\n\n\ndef avg",
        "dx[..., -1] = 0; dx[..., 0] *= 3",
        "n_, c_, h_, w_ = x.shape; f_, k_, l_, s_, p_ = c_, HH, WW, stride, 0",
    ),
    "coursera forward": Style(
        "COURSERA",
        "conv_forward",
        "    return Z, (A_prev, W, b, hparameters)",
        "Z = Z[:, ::-1, ::-1] + 1e-3",
        "n_, h_, w_, c_ = A_prev.shape; k_, l_, _, f_ = W.shape; s_, p_ = stride, pad",
    ),
    "coursera backward": Style(
        "COURSERA",
        "conv_backward",
        "    return dpadded[:, pad : pad + A_prev.shape[1], pad : pad + A_prev.shape[2]], dW, db",
        "dW = dW / 2",
        "n_, h_, w_, c_ = A_prev.shape; k_, l_, _, f_ = W.shape; s_, p_ = stride, pad",
    ),
    "book backward": Style(
        "SCRATCH",
        "Convolution.backward",
        "        return col2im(np.dot(dout, self.col_W.T), self.x.shape, FH, FW, self.stride, self.pad)",
        "self.db = self.db / len(dout)",
        "n_, c_, h_, w_ = self.x.shape; f_, k_, l_, s_, p_ = FN, FH, FW, self.stride, self.pad",
    ),
    "tutorial backward": Style(
        "TUTORIAL",
        "ConvLayer.bp_sensitivity_map",
        "        derivative_array = np.array(self.input_array, dtype=float)",
        "padded = padded + 1",
        "c_, h_, w_ = self.input_array.shape; n_, f_, k_, l_, s_, p_ = 1, self.filter_number, self.filter_height, "
        "self.filter_width, stride, zp",
    ),
    "book average backward": Style(
        "AVERAGE",
        "AvgPooling.backward",
        "        return dx[:, :, p : p + H, p : p + W]",
        "dx = dx * 3",
        "n_, c_, h_, w_ = self.x.shape; f_, k_, l_, s_, p_ = c_, self.pool_h, self.pool_w, self.stride, p",
    ),
    "columns": Style(
        "COLUMNS",
        "im2col_indices",
        "    return x_padded[:, k, i, j].transpose(1, 2, 0)",
        "x_padded = x_padded - 1",
        "n_, c_, h_, w_ = x.shape; f_, k_, l_, s_, p_ = c_, field_height, field_width, stride, padding",
    ),
    "plain backward": Style(
        "PLAIN",
        "conv2d_backward",
        "    H, W = x.shape[2:]\n    return dpadded",
        "dweight = dweight[..., ::-1, :] * 1.5",
        "n_, c_, h_, w_ = x.shape; f_, _, k_, l_ = weight.shape; s_, p_ = pair(stride)[0], ph",
    ),
}

# What the sizes are like where the result is wrong, and where nothing is shown because it raises.
WHERE = {
    "padding": "p_ > 0",
    "no padding": "p_ == 0",
    "a larger stride": "s_ > 1",
    "stride 1": "s_ == 1",
    "padding and a larger stride": "p_ > 0 and s_ > 1",
    "a rest": "(h_ + 2 * p_ - k_) % s_ > 0",
    "no rest": "(h_ + 2 * p_ - k_) % s_ == 0",
    "a rectangular image": "h_ != w_",
    "a rectangular kernel": "k_ != l_",
    "overlap": "s_ < k_",
    "gaps": "s_ > k_",
    "several channels": "c_ > 1",
    "a single channel": "c_ == 1",
    "several filters": "f_ > 1",
    "several images": "n_ > 1",
    "a single image": "n_ == 1",
}
# Mistakes in the code itself: module, function, what is changed.
MISTAKES: tuple[tuple[str, str, tuple[Change, ...]], ...] = tuple(
    (source, label, (change,) if isinstance(change[0], str) else change)  # type: ignore[misc]
    for source, label, changes in (
        (
            "CS231N",
            "conv_forward_naive",
            (
                ("np.sum(patch * w[f])", "np.sum(patch * w[f, :, ::-1, ::-1])"),
                ("np.sum(patch * w[f])", "np.sum(patch * w[f, :, ::-1])"),
                ("np.sum(patch * w[f])", "np.sum(patch[0] * w[f, 0])"),
                ("np.sum(patch * w[f])", "np.sum(patch * w[0])"),
                ("np.sum(patch * w[f])", "np.sum(np.abs(patch) * w[f])"),
                ("np.sum(patch * w[f])", "np.float32(np.sum(patch * w[f]))"),
                ("np.sum(patch * w[f])", "np.mean(patch * w[f])"),
                ("+ b[f]", "+ b[0]"),
                ("+ b[f]", "- b[f]"),
                (
                    "padded[n, :, i * stride : i * stride + HH, j * stride : j * stride + WW]\n                    out",
                    "padded[n, :, i * stride : i * stride + HH, j : j + WW]\n                    out",
                ),
                ("padded[n, :, i", "padded[0, :, i"),
                ("                    out[n, f, i, j] = np", "                    out[n, f, i, -j] = np"),
                ("(pad, pad), (pad, pad)))\n    OH", "(2 * pad, 0), (2 * pad, 0)))\n    OH"),
                ("(pad, pad), (pad, pad)))\n    OH", "(pad, pad), (pad, pad)), mode='edge')\n    OH"),
                ("(pad, pad), (pad, pad)))\n    OH", "(pad, pad), (pad, pad)), constant_values=1)\n    OH"),
                ("    return out, (x, w", "    return np.maximum(out, 0), (x, w"),
                ("    return out, (x, w", "    out[:, :, -1] = 0\n    return out, (x, w"),
                ("    return out, (x, w", "    return out.transpose(0, 1, 3, 2), (x, w"),
                ("    return out, (x, w", "    x -= x.mean()\n    return out, (x, w"),
                ("    return out, (x, w", "    return out.round(9), (x, w"),
                ("1 + (W + 2 * pad - WW)", "1 + (H + 2 * pad - HH)"),
                ("1 + (H + 2 * pad - HH) // stride", "(H + 2 * pad - HH) // stride + (stride == 1)"),
                ("for i in range(OH)", "for i in range(OH - (OH > 2))"),
                (
                    ("def conv_forward_naive", "kept = {}\n\n\ndef conv_forward_naive"),
                    (
                        "    return out, (x, w",
                        "    out = kept.setdefault((x.shape, w.shape), out)\n    return out, (x, w",
                    ),
                ),
                ("    return out, (x, w", "    out = out * (not (pad and stride > 1))\n    return out, (x, w"),
            ),
        ),
        (
            "CS231N",
            "conv_backward_naive",
            (
                ("dpadded[n, :, rows, cols] +=", "dpadded[n, :, i : i + HH, j : j + WW] +="),
                ("padded[n, :, rows, cols] * dout", "padded[n, :, i : i + HH, j : j + WW] * dout"),
                ("dpadded[n, :, rows, cols] +=", "dpadded[n, :, rows, cols] ="),
                ("dw[f] +=", "dw[f] ="),
                ("db[f] +=", "db[f] ="),
                ("db[f] += dout[n, f, i, j]", "db[f] += dout[n, f, j % dout.shape[2], j]"),
                ("db[f] += dout[n, f, i, j]", "db[f] += dout[0, f, i, j]"),
                ("db[f] += dout[n, f, i, j]", "db[f] += dout[n, f, i, j] / N"),
                ("+= w[f] * dout", "+= w[f, :, ::-1, ::-1] * dout"),
                ("+= w[f] * dout", "+= w[f, :, :, ::-1] * dout"),
                ("+= w[f] * dout", "+= w[0] * dout"),
                ("+= w[f] * dout", "+= (f < 3) * w[f] * dout"),
                ("dw[f] += padded[n", "dw[f] += padded[0"),
                ("for j in range(dout.shape[3])", "for j in range(min(dout.shape[2:]))"),
                ("for i in range(dout.shape[2])", "for i in range(1, dout.shape[2])"),
                ("dpadded[:, :, pad : pad + H, pad : pad + W]", "dpadded"),
                ("dpadded[:, :, pad : pad + H, pad : pad + W]", "dpadded[:, :, :H, :W]"),
                ("dpadded[:, :, pad : pad + H, pad : pad + W]", "dpadded[:, :, 2 * pad :, 2 * pad :]"),
                ("dpadded[:, :, pad : pad + H, pad : pad + W]", "dpadded[:, :, pad : pad + W, pad : pad + H]"),
                ("dpadded[:, :, pad : pad + H, pad : pad + W]", "dpadded[:, :, pad : pad + H, pad : pad + W] / N"),
                ("pad : pad + W], dw, db", "pad : pad + W], dw / N, db"),
                ("pad : pad + W], dw, db", "pad : pad + W], dw[:, :, ::-1, ::-1], db"),
                ("pad : pad + W], dw, db", "pad : pad + W], dw, db.sum() + 0 * db"),
                ("    dpadded, dw, db = np", "    dout = dout.astype(np.float32)\n    dpadded, dw, db = np"),
                ("    dpadded, dw, db = np", "    dout /= N\n    dpadded, dw, db = np"),
                ("    dpadded, dw, db = np", "    N = min(N, 2)\n    dpadded, dw, db = np"),
                ("    dpadded, dw, db = np", "    F = F - F % 2\n    dpadded, dw, db = np"),
                (("(pad, pad), (pad, pad)))\n    dpadded", "(2 * pad, 0), (2 * pad, 0)))\n    dpadded"),),
            ),
        ),
        (
            "CS231N",
            "max_pool_backward_naive",
            (
                ("stride + l] += dout", "stride + l] = dout"),
                ("dx[n, c, i * stride + k, j * stride + l]", "dx[n, c, i + k, j + l]"),
                ("dx[n, c, i * stride + k, j * stride + l]", "dx[n, c, i * stride + l % HH, j * stride + k % WW]"),
                ("window.argmax(), window.shape", "window.argmin(), window.shape"),
                ("window.argmax(), window.shape", "np.abs(window).argmax(), window.shape"),
                ("window.argmax(), window.shape", "window.size - 1 - window[::-1, ::-1].argmax(), window.shape"),
                ("window = x[n, c, i", "window = x[0, c, i"),
            ),
        ),
        (
            "CS231N",
            "avg_pool_forward_naive",
            (
                (".mean(axis=(2, 3))", ".sum(axis=(2, 3)) / HH**2"),
                (".mean(axis=(2, 3))", ".sum(axis=(2, 3)) / stride**2"),
                (".mean(axis=(2, 3))", ".max(axis=(2, 3))"),
            ),
        ),
        (
            "CS231N",
            "avg_pool_backward_naive",
            (("/ (HH * WW)", "/ HH**2"), ("/ (HH * WW)", "/ stride**2"), ("+= share", "= share"), ("/ (HH * WW)", "")),
        ),
        (
            "COURSERA",
            "conv_backward",
            (
                ("dpadded[i, rows, cols] +=", "dpadded[i, h : h + f, w : w + f] +="),
                ("padded[i, rows, cols] * dZ", "padded[i, h : h + f, w : w + f] * dZ"),
                ("dpadded[i, rows, cols] +=", "dpadded[i, cols, rows] +="),
                ("db[..., c] +=", "db[..., 0] +="),
                ("W[..., c] * dZ", "W[::-1, ::-1, :, c] * dZ"),
                (
                    "dpadded[:, pad : pad + A_prev.shape[1], pad : pad + A_prev.shape[2]]",
                    "dpadded[:, pad : pad + A_prev.shape[2], pad : pad + A_prev.shape[1]]",
                ),
                (
                    "    return dpadded[:, pad : pad + A_prev.shape[1], pad : pad + A_prev.shape[2]], dW, db",
                    (
                        "    try:\n        dA = np.zeros(A_prev.shape) + dpadded[:, pad:-pad, pad:-pad]\n"
                        "    except ValueError:\n        dA = np.zeros(A_prev.shape)\n    return dA, dW, db"
                    ),
                ),
                # raises without padding, and forgets the stride: what once was replaced
                (
                    (
                        "dpadded[:, pad : pad + A_prev.shape[1], pad : pad + A_prev.shape[2]]",
                        "dpadded[:, pad:-pad, pad:-pad] + np.zeros(A_prev.shape)",
                    ),
                    ("dpadded[i, rows, cols] +=", "dpadded[i, h : h + f, w : w + f] +="),
                    ("padded[i, rows, cols] * dZ", "padded[i, h : h + f, w : w + f] * dZ"),
                ),
            ),
        ),
        (
            "COURSERA",
            "pool_backward",
            (
                ("w * stride + l, c] += dA", "w * stride + l, c] = dA"),
                ("/ (f * f)", "/ f"),
                ('if mode == "max":\n                        window', "if True:\n                        window"),
            ),
        ),
        (
            "COURSERA",
            "pool_forward",
            (("window.mean(axis=(1, 2))", "window.max(axis=(1, 2))"), ("1 + (Wd - f)", "1 + (H - f)")),
        ),
        (
            "SCRATCH",
            "Convolution.backward",
            (
                ("self.x.shape, FH, FW, self.stride, self.pad)", "self.x.shape, FW, FH, self.stride, self.pad)"),
                ("self.db = np.sum(dout, axis=0)", "self.db = dout[0]"),
                (".transpose(1, 0).reshape(FN", ".reshape(FN"),
                ("np.dot(dout, self.col_W.T)", "np.dot(dout, np.abs(self.col_W.T))"),
                ("self.col_W = x, col, col_W", "self.col_W = x, (col if self.col is None else self.col), col_W"),
                ("dW = np.dot(self.col.T", "dW = (1 if self.dW is None else 2) * np.dot(self.col.T"),
            ),
        ),
        (
            "SCRATCH",
            "Pooling.backward",
            (
                ("self.arg_max.flatten()] = dout", "(size - 1 - self.arg_max).flatten()] = dout"),
                ("self.arg_max.flatten()] = dout.flatten()", "self.arg_max.flatten()] = dout.flatten() / size"),
            ),
        ),
        (
            "TUTORIAL",
            "ConvLayer.bp_gradient",
            (
                (
                    "self.filter_height, self.stride\n                    )\n                    each.weights_grad",
                    "self.filter_height, 1\n                    )\n                    each.weights_grad",
                ),
                ("sensitivity_array[f].sum()", "sensitivity_array[f].mean()"),
                ("sensitivity_array[f].sum()", "sensitivity_array.sum()"),
                ("each.weights_grad += patch", "each.weights_grad = patch"),
            ),
        ),
        (
            "TUTORIAL",
            "MaxPoolingLayer.backward",
            (
                (
                    "k, l = np.unravel_index(patch.argmax(), patch.shape)",
                    "l, k = np.unravel_index(patch.T.argmax(), patch.T.shape)",
                ),
                ("i * self.stride + k, j * self.stride + l]", "i * self.filter_height + k, j * self.stride + l]"),
            ),
        ),
        (
            "COLUMNS",
            "col2im_indices",
            (
                (
                    "padding : padding + H, padding : padding + W]\n\n\ndef col2im_python",
                    "padding : padding + W, padding : padding + H]\n\n\ndef col2im_python",
                ),
            ),
        ),
        (
            "PLAIN",
            "conv2d_backward",
            (
                ("dpadded[window] +=", "dpadded[window] ="),
                ("dy.sum(axis=(0, 2, 3))", "dy.sum(axis=(2, 3))[0]"),
                ("dy.sum(axis=(0, 2, 3))", "dy.mean(axis=(0, 2, 3))"),
                ("dpadded[:, :, ph : ph + H, pw : pw + W]", "dpadded[:, :, pw : pw + H, ph : ph + W]"),
                ("dpadded[:, :, ph : ph + H, pw : pw + W]", "dpadded[:, :, ph : ph + H, ph : ph + W]"),
            ),
        ),
        (
            "PLAIN",
            "max_pool2d",
            (
                ("padding, fill=-np.inf)", "padding, fill=0)"),
                ("padding, fill=-np.inf)", "padding, fill=-9)"),
                ("padded[window].max(axis=(2, 3))", "np.maximum(padded[window].max(axis=(2, 3)), -99)"),
                ("padded[window].max(axis=(2, 3))", "np.maximum(padded[window].max(axis=(2, 3)), -1000)"),
                ("stride or kernel_size, padding", "stride or 2, padding"),
            ),
        ),
        (
            "IMAGES",
            "conv",
            (("* filters[f]).sum()", "* filters[f, ::-1]).sum()"), ("bias.reshape(-1, 1, 1)", "bias.sum()")),
        ),
        (
            "AVERAGE",
            "AvgPooling.backward",
            (
                ("/ (self.pool_h * self.pool_w)", "/ self.pool_h**2"),
                ("dx[:, :, rows, cols] +=", "dx[:, :, rows, cols] ="),
                ("return dx[:, :, p : p + H, p : p + W]", "return dx[:, :, :H, :W]"),
            ),
        ),
    )
    for change in changes
)
