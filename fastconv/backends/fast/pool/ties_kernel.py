"""The gradient of max pooling where every cell that is the maximum of its window counts, not the first of them alone.

The two forms are those of `pool.max_pool_kernel`. Tasks own blocks of channels of an image. A cell adds up what it gets
in the order of the windows, so that the sum does not depend on which of them are done together.
"""

from __future__ import annotations

from fastconv.backends.fast.machine.blocks import Block
from fastconv.backends.fast.machine.intrinsics import clear_bytes, size_of
from fastconv.backends.fast.machine.jit import helper
from fastconv.backends.fast.machine.kernel import kernel
from fastconv.backends.fast.pool.ties_of_windows_kernel import ties_of_rows, ties_of_windows
from fastconv.backends.fast.pool.windows_kernel import WINDOWS, D, H, W, clear, columns, inside, whole, window

# x: the input; y: the gradient of the output. DX: the gradient of the input, with the strides of x. SPLIT: whether the
# cells share the gradient of their window.
TIES = Block(WINDOWS, "DX SPLIT", results="DX")


@helper
def _taps(args, depths, heights, widths):
    """Byte offset of the first cell of a window, and its taps as in `ties_of_window`."""
    (ds, d0, d1), (hs, h0, h1), (ws, w0, w1) = depths, heights, widths
    d_step, h_step, w_step = args.DIL_D * args.X_D, args.DIL_H * args.X_H, args.DIL_W * args.X_W
    first = ds * args.X_D + d0 * d_step + hs * args.X_H + h0 * h_step + ws * args.X_W + w0 * w_step
    return first, (d1 - d0, d_step, h1 - h0, h_step, w1 - w0, w_step)


@helper
def _is_empty(taps):
    return taps[0] < 1 or taps[2] < 1 or taps[4] < 1


@helper
def _vector(stride, x, gap, dy, skipped, down, taps, wide, split, number):
    """A vector of windows side by side, `stride` cells apart, which is a constant."""
    if wide:
        ties_of_windows(stride, 64, number, x, gap, dy, skipped, split, down, taps)
    else:
        ties_of_windows(stride, 32, number, x, gap, dy, skipped, split, down, taps)


@helper
def _one_apart(stride, x, gap, dy, skipped, down, taps, wide, split, number):
    """A vector of windows that begin one cell apart, as channels do: a kernel that needs no others compiles none."""
    _vector(1, x, gap, dy, skipped, down, taps, wide, split, number)


@helper
def _some_apart(stride, x, gap, dy, skipped, down, taps, wide, split, number):
    """A vector of windows that begin one to four cells apart."""
    if stride == 1:
        _vector(1, x, gap, dy, skipped, down, taps, wide, split, number)
    elif stride == 2:
        _vector(2, x, gap, dy, skipped, down, taps, wide, split, number)
    elif stride == 3:
        _vector(3, x, gap, dy, skipped, down, taps, wide, split, number)
    else:
        _vector(4, x, gap, dy, skipped, down, taps, wide, split, number)


@helper
def _side_by_side(vector, stride, x, gap, dy, count, down, taps, split, number):
    """Windows or channels side by side that have the same taps; the last vector also has some of the one before it.

    There may be several rows of them, `down`, if these have no cells in common. `vector` is one of the two above.
    """
    item, done = size_of(number), 0
    wide = count * item >= 64
    lanes = (64 if wide else 32) // item
    while done < count:
        first = min(done, max(count - lanes, 0))
        if count < lanes:
            ties_of_rows(x + done * stride * item, gap, dy + done * item, down, taps, split, number)
            done += 1
        else:
            here = x + first * stride * item
            vector(stride, here, gap, dy + first * item, done - first, down, taps, wide, split, number)
            done = first + lanes


@helper
def _row_lanes(args, plane, dy, channels, depths, heights, start, stop, split, number):
    """Windows `start` to ``stop - 1`` of a row, of some channels."""
    gap = args.DX - args.X
    for ow in range(start, stop):
        first, taps = _taps(args, depths, heights, window(args, W, ow))
        if not _is_empty(taps):
            _side_by_side(
                _one_apart, 1, plane + first, gap, dy + ow * args.Y_W, channels, (1, 0, 0), taps, split, number
            )


@helper
def _vectors_along(args, number):
    """Range of the windows of a row that vectors do: their cells lie together, and what these read is in the row."""
    stride, item = args.S_W, size_of(number)
    reach = (args.K_W - 1) * args.DIL_W if stride == 1 else (args.K_W + stride - 1) // stride * stride - 1
    if stride > 4 or (stride > 1 and args.DIL_W > 1) or args.X_W != item or args.Y_W != item:
        return 0, 0
    return inside(-args.PAD_W, stride, args.IN_W - reach, args.OUT_W)


@helper
def _rows_plane(args, plane, dy, depths, heights, rows, start, stop, inner, split, number):
    """Windows `start` to ``stop - 1`` of some rows of one channel with the same taps; `heights` are of the first."""
    gap, ow, down = args.DX - args.X, start, (rows, args.S_H * args.X_H, args.Y_H)
    while ow < stop:
        first, taps = _taps(args, depths, heights, window(args, W, ow))
        x, y, count = plane + first, dy + ow * args.Y_W, 1
        if ow >= inner[0] and ow < inner[1]:
            count = min(inner[1], stop) - ow
        if not _is_empty(taps):
            _side_by_side(_some_apart, args.S_W, x, gap, y, count, down, taps, split, number)
        ow += count


@helper
def _rows_with(args, oh, row, above, below):
    """How many rows of windows from `oh` on, number `row` of all, can be done together: they share no cells."""
    if (args.K_H - 1) * args.DIL_H >= args.S_H or oh < above or oh >= below:
        return 1
    some = below - oh
    return some if columns(args, row) == columns(args, row + some - 1) else 1


@helper
def _clear(args, dx, channels, number):
    """Set some channels of an image of the gradient to zero, unless other windows were added to it before."""
    item, cells = size_of(number), args.IN_D * args.IN_H * args.IN_W
    if args.X_W != channels * item:
        clear(args, dx, channels, number)
    elif args.FIRST == 0:
        clear_bytes(dx, cells * args.X_W)


@helper
def _images(args, task, lanes, split, number):
    """Some blocks of channels of some images; of one channel, unless channels are `lanes`."""
    step, tasks, inner, (above, below) = args.CHANNEL_BLOCK, args.TASKS, _vectors_along(args, number), whole(args, H)
    blocks = (args.CHANNELS + step - 1) // step
    items = args.BATCH * blocks
    for i in range(items * task // tasks, items * (task + 1) // tasks):
        n, c = i // blocks, i % blocks * step
        channels = min(step, args.CHANNELS - c)
        plane, image = args.X + n * args.X_N + c * args.X_C, args.Y + n * args.Y_N + c * args.Y_C
        _clear(args, plane + args.DX - args.X, channels, number)
        for od in range(args.OUT_D):
            depths = window(args, D, od)
            oh = 0
            while oh < args.OUT_H:
                row = od * args.OUT_H + oh
                dy, heights = image + od * args.Y_D + oh * args.Y_H, window(args, H, oh)
                (start, stop), rows = columns(args, row), 1
                if lanes:
                    _row_lanes(args, plane, dy, channels, depths, heights, start, stop, split, number)
                else:
                    rows = _rows_with(args, oh, row, above, below)
                    _rows_plane(args, plane, dy, depths, heights, rows, start, stop, inner, split, number)
                oh += rows


@kernel(TIES)
def max_pool_ties_lanes(args, task, number):
    """Vectors of channels."""
    _images(args, task, True, args.SPLIT != 0, number)


@kernel(TIES)
def max_pool_ties_plane(args, task, number):
    """Vectors of windows of a row."""
    _images(args, task, False, args.SPLIT != 0, number)


MAX_POOL_TIES = {"lanes": max_pool_ties_lanes, "plane": max_pool_ties_plane}
