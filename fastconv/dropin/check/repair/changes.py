"""Which changes of a line a mistake suggests."""

from __future__ import annotations

from collections.abc import Iterator

from fastconv.dropin.check.repair import of_sizes, of_sums, of_windows
from fastconv.dropin.check.repair.of_sums import Finder
from fastconv.dropin.check.repair.source import Function, Source
from fastconv.dropin.check.repair.surroundings import Surroundings

_CUT: tuple[Finder, ...] = (of_windows.cut_padding, of_sizes.exchange_axes)

# By name of the mistake, see `fastconv.dropin.conventions.mistakes`.
CHANGES: dict[str, tuple[Finder, ...]] = {
    "assigned": (of_sums.add,),
    "stride forgotten": (of_windows.multiply_by_stride,),
    "window for stride": (of_windows.another_stride,),
    "other stride": (of_windows.another_stride, of_sizes.exchange_axes),
    "dilation ignored": (of_windows.dilate,),
    "padding on one side": (of_windows.pad_otherwise,),
    "padding repeats": (of_windows.pad_otherwise,),
    "rounded up": (of_sizes.round_down,),
    "true division": (of_sizes.divide_whole,),
    "one missing": (of_sizes.add_one,),
    "one too many": (of_sizes.subtract_one,),
    "padding not in the size": (of_sizes.count_padding,),
    "padding once in the size": (of_sizes.count_padding,),
    "stride not in the size": (of_sizes.divide_by_stride,),
    "size of the other axis": (of_sizes.exchange_axes,),
    "axes in another order": (of_sizes.exchange_axes,),
    "height and width exchanged": (of_sizes.exchange_axes,),
    "kernel flipped": (of_sums.turn_kernel,),
    "kernel flipped in the gradient": (of_sums.turn_kernel,),
    "bias in every cell": (of_sums.bias_outside,),
    "bias in every channel": (of_sums.bias_outside,),
    "bias twice": (of_sums.bias_once, of_sums.leave_out),
    "bias forgotten": (of_sums.add_bias,),
    "bias subtracted": (of_sums.bias_once,),
    "bias of one filter": (of_sums.read_all,),
    "mean of products": (of_sums.sum_for_mean,),
    "mean over positions": (of_sums.sum_for_mean, of_sums.undivided),
    "sum over filters": (of_sums.read_all,),
    "first channel alone": (of_sums.read_all,),
    "last channel alone": (of_sums.add, of_sums.read_all),
    "first filter for all": (of_sums.read_all,),
    "kernel transposed": (of_sizes.exchange_axes,),
    "negative results lost": (of_sums.bare,),
    "first image for all": (of_sums.read_all,),
    "first image alone": (of_sums.loop_over_all, of_sums.read_all),
    "last image alone": (of_sums.add,),
    "last position alone": (of_sums.add,),
    "last filter alone": (of_sums.add,),
    "divided by images": (of_sums.undivided, of_sums.leave_out, of_sums.sum_for_mean),
    "padding not cut off": _CUT,
    "cut at the wrong place": _CUT,
    "cut with exchanged axes": (of_sizes.exchange_axes,),
    "empty cut": (of_windows.cut_by_size,),
    "zero padding of maxima": (of_windows.pad_by_minus_infinity,),
    "maximum from zero": (of_sums.from_minus_infinity, of_sums.bare),
    "minimum": (of_sums.maximum,),
    "mean for maximum": (of_sums.maximum,),
    "maximum for mean": (of_sums.mean,),
    "ties to all": (of_sums.first_of_equal,),
    "ties shared": (of_sums.first_of_equal,),
    "sum for mean": (of_sums.mean_for_sum,),
    "divided by a square": (of_sums.size_of_window, of_sizes.exchange_axes),
    "sign": (of_sums.negate,),
    "integer result": (of_sums.wider_type,),
    "rounded": (of_sums.bare,),
    "adds up between calls": (of_sums.assign,),
    "changes its input": (of_sums.new_array, of_sums.leave_out),
}

# Those that change a size, and would change other numbers to no purpose.
OF_SIZES = (
    "rounded up",
    "true division",
    "one missing",
    "one too many",
    "padding not in the size",
    "padding once in the size",
    "stride not in the size",
)


def changes(source: Source, functions: list[Function], mistake: str) -> Iterator[tuple[int, str]]:
    """Give the lines that a mistake may be in, each with what it would have to be.

    Parameters
    ----------
    source : Source
        The file.
    functions : list of ast.FunctionDef
        Where to look.
    mistake : str
        Name of the mistake.

    Yields
    ------
    number : int
        Number of a line.
    better : str
        What it would be.
    """
    given = set[tuple[int, str]]()
    for function in functions:
        at = Surroundings(source, function)
        for finder in CHANGES.get(mistake, ()):
            for edits in finder(at):
                found = source.changed(edits) if edits else None
                if found is not None and found not in given and found[1] != source.line(found[0]):
                    given.add(found)
                    yield found
