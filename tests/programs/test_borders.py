"""A convolution writes the zeros that the next one has for padding around its result, which changes no bit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastconv as fc
from fastconv import layers as L
from fastconv.backends.fast.conv.conv import conv_ending, frame_between
from fastconv.backends.fast.conv.plan import NO_FRAME, Frame
from fastconv.backends.fast.grouped import GroupedProgram
from tests.support.networks import assert_bits, layers_of, normal

MODELS: dict[str, tuple[Callable[..., list[L.Layer]], tuple[int, ...], int]] = {  # layers, input, borders
    "two": (lambda **o: [conv(5, 7, 3, **o), L.ReLU(), conv(7, 6, 3, padding=1, **o)], (3, 5, 9, 11), 1),
    "one image": (lambda **o: [conv(5, 16, 1, **o), conv(16, 4, (3, 1), padding=(1, 0), **o)], (1, 5, 6, 9), 0),
    "strided": (lambda **o: [conv(3, 20, (5, 3), **o), conv(20, 8, 3, stride=2, padding=1, **o)], (2, 3, 16, 9), 1),
    "uneven": (lambda **o: [conv(3, 9, 3, **o), conv(9, 8, (4, 2), padding="same", **o), L.ReLU6()], (2, 3, 12, 13), 1),
    "dilated": (lambda **o: [conv(3, 9, 3, **o), conv(9, 8, 3, padding=2, dilation=2, **o)], (2, 3, 12, 13), 1),
    "three": (
        lambda **o: [conv(3, 9, 3, padding=1, **o), conv(9, 9, 3, padding=1, **o), conv(9, 4, 3, padding=(0, 2), **o)],
        (2, 3, 12, 7),
        2,
    ),
    "sum": (
        lambda **o: [
            L.Residual(L.Sequential(conv(6, 8, 3, padding=1, **o), L.ReLU(), conv(8, 6, 3, padding=1, **o))),
            L.ReLU(),
        ],
        (2, 6, 7, 8),
        1,
    ),
    "groups before": (lambda **o: [conv(6, 8, 3, groups=2, **o), conv(8, 4, 3, padding=1, **o)], (2, 6, 7, 8), 1),
    "groups after": (lambda **o: [conv(6, 8, 3, **o), conv(8, 4, 3, padding=1, groups=2, **o)], (2, 6, 7, 8), 0),
    "no padding": (lambda **o: [conv(6, 8, 3, **o), conv(8, 4, 3, **o)], (2, 6, 7, 8), 0),
    "pooled": (lambda **o: [conv(6, 8, 3, **o), L.MaxPool2d(2), conv(8, 4, 3, padding=1, **o)], (2, 6, 8, 8), 0),
    "too large": (lambda **o: [conv(3, 64, 3, **o), conv(64, 4, 3, padding=1, **o)], (1, 3, 60, 60), 0),
}


def conv(*sizes: Any, **options: Any) -> L.Conv2d:
    return L.Conv2d(*sizes, rng=sum(sizes[:2]), **options)


def recorded(program: Any) -> Any:
    return next(iter(program._recorded.values())).program


@pytest.mark.parametrize(("dtype", "threads"), [(np.float32, 2), (np.float64, 1)])
@pytest.mark.parametrize("name", MODELS)
def test_borders_have_the_bits_of_the_layers(name: str, dtype: Any, threads: int) -> None:
    make, shape, borders = MODELS[name]
    model, x = L.Sequential(*make(dtype=dtype)), normal(*shape, dtype=dtype)
    x.flat[7] = np.inf
    with fc.use_num_threads(threads), fc.options(exact=True), np.errstate(invalid="ignore"):
        program, plain = fc.compile(model, x), fc.compile(model, x, fuse=False)
        assert repr(program).count(" + border") == borders
        assert " + border" not in repr(plain)
        for values in (x, x[::-1] * dtype(1e-3)):
            assert_bits(program(np.ascontiguousarray(values)), layers_of(model, values))


def test_channels_last_layers_and_signals_have_them_too() -> None:
    first, second = conv(3, 9, 3, layout="NHWC"), conv(9, 8, 3, padding=1, layout="NHWC")
    signals = L.Sequential(L.Conv1d(3, 8, 5, rng=0), L.ReLU(), L.Conv1d(8, 6, 4, padding=((2, 1),), rng=1))
    with fc.options(exact=True):
        for model, x in ((L.Sequential(first, second), normal(2, 9, 8, 3)), (signals, normal(2, 3, 40))):
            program = fc.compile(model, x)
            assert repr(program).count(" + border") == 1
            assert_bits(program(x), layers_of(model, x))


def test_the_border_is_zero_whatever_was_in_memory() -> None:
    model, x = L.Sequential(*MODELS["three"][0]()), normal(8, 3, 12, 7)
    with fc.use_num_threads(2), fc.options(exact=True):
        grouped, whole = fc.compile(model, x), fc.compile(model, x[:3])
        for program, images in ((grouped, x), (whole, x[:3])):
            right = program(images)
            for context in recorded(program)._contexts:
                for arena in [memory[0] for memory in context.memory] if program is grouped else [context.arena]:
                    arena[...] = 0xFF
            assert_bits(program(images), right)
    assert isinstance(recorded(grouped), GroupedProgram)
    assert not isinstance(recorded(whole), GroupedProgram)


def test_the_layers_are_asked_for_their_exactness() -> None:
    model, x = L.Sequential(conv(64, 64, 3, padding=1), conv(64, 64, 3, padding=1)), normal(1, 64, 12, 12)
    assert " + border" not in repr(fc.compile(model, x, exact=False))  # by Winograd's algorithm, which takes no border
    assert " + border" in repr(fc.compile(model, x, exact=True))


@pytest.mark.parametrize("threads", [1, 2])
def test_a_frame_is_written_whole_and_nothing_beyond_it(threads: int) -> None:
    first, second = conv(3, 5, 3), conv(5, 4, (3, 4), padding=((1, 2), (3, 0)))
    x, weight = normal(2, 3, 30, 33), first.weight.data
    with fc.use_num_threads(threads), fc.options(exact=True):
        one = first._geometry(x.shape)
        frame = frame_between(one, second._geometry(one.output_shape), 4)
        assert frame == Frame(1, 2, 3, 0)
        memory = np.full((4, 31, 34, 5), np.nan, np.float32)
        whole = memory[1:3].transpose(0, 3, 1, 2)
        result = whole[:, :, 1:29, 3:34]
        conv_ending(x, weight, None, one, 0, out=result, frame=frame)
        assert_bits(result, fc.conv2d(x, weight))
    assert np.isnan(memory[0]).all()
    assert np.isnan(memory[3]).all()
    result[...] = 0
    assert not whole.any()
    assert frame_between(one, first._geometry((2, 3, 28, 31)), 4) == NO_FRAME
