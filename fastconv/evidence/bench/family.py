"""All operations and all layers by name, each with one ordinary input: what the table of the family is made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

Shape = tuple[int, ...]

ROWS, LINE, IMAGE, VOLUME = (64, 256), (16, 32, 1024), (16, 32, 32, 32), (4, 16, 16, 16, 16)
_INPUTS = {1: LINE, 2: IMAGE, 3: VOLUME}  # by the number of spatial axes
_RANKS = tuple(_INPUTS)
_SLOPES, _GROUPS, _ACROSS, _CELLS = IMAGE[1], 8, 5, 7  # of PReLU, group norm, response norm, adaptive pooling


@dataclass(frozen=True)
class Build:
    """A layer by the name of its class, with its arguments, among which may be others."""

    name: str
    arguments: tuple[Any, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        words = [*map(str, self.arguments), *(f"{name}={value}" for name, value in self.options.items())]
        return f"{self.name}({', '.join(words)})"


@dataclass(frozen=True)
class Member:
    """One of the family.

    Parameters
    ----------
    name : str
        Name of the function or of the class.
    shape : tuple of int
        Shape of its first array, batch first.
    steps : tuple of str
        Its passes.
    on_both : bool
        Whether it is the same NumPy code on every backend, so that there is one time and not two.
    """

    name: str
    shape: Shape
    steps: tuple[str, ...] = ("forward", "backward")
    on_both: bool = False

    def with_batch(self, batch: int | None) -> Shape:
        """Shape of the first array with so many images; its own number if None."""
        return self.shape if batch is None else (batch, *self.shape[1:])


@dataclass(frozen=True)
class OperationOf(Member):
    """A public function.

    Parameters
    ----------
    first : str
        What its first array is called.
    arrays : dict of str to tuple of int
        Shapes of the others that are drawn.
    options : dict
        The remaining arguments. Of these and the arrays, the gradient gets those that it has a parameter for.
    gradient : str
        Name of the gradient; by default that of the function with ``_backward`` after it.
    """

    first: str = "x"
    arrays: dict[str, Shape] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    gradient: str = ""

    def __str__(self) -> str:
        return f"{self.name}({', '.join([self.first, *self.arrays, *(f'{k}={v}' for k, v in self.options.items())])})"


@dataclass(frozen=True)
class LayerOf(Member):
    """A layer.

    Parameters
    ----------
    build : Build
        How to make it.
    """

    build: Build = field(default_factory=lambda: Build(""))

    def __str__(self) -> str:
        return str(self.build)


def _convolutions(rank: int) -> Iterator[Member]:
    shape = _INPUTS[rank]
    C = shape[1]
    same = {"weight": (C, C, *(3,) * rank), "bias": (C,)}
    yield OperationOf(f"conv{rank}d", shape, arrays=same, options={"padding": 1})
    twice = {"weight": (C, C, *(4,) * rank), "bias": (C,)}  # (C_in, C_out, ...)
    yield OperationOf(f"conv_transpose{rank}d", shape, arrays=twice, options={"stride": 2, "padding": 1})


def _pools(rank: int) -> Iterator[Member]:
    shape, to_max = _INPUTS[rank], f"max_pool{rank}d_backward"
    windows = {"kernel_size": 2}
    yield OperationOf(f"max_pool{rank}d", shape, options=windows)
    yield OperationOf(f"avg_pool{rank}d", shape, options=windows)
    yield OperationOf(f"lp_pool{rank}d", shape, options={"norm_type": 2, **windows})
    yield OperationOf(f"adaptive_avg_pool{rank}d", shape, options={"output_size": _CELLS})
    yield OperationOf(f"adaptive_max_pool{rank}d", shape, options={"output_size": _CELLS}, gradient=to_max)
    yield OperationOf(f"global_avg_pool{rank}d", shape)
    yield OperationOf(f"global_max_pool{rank}d", shape, gradient=to_max)
    pooled = (*shape[:2], *(size // 2 for size in shape[2:]))
    yield OperationOf(f"max_unpool{rank}d", pooled, first="y", options={"output_size": shape[2:]})


def _columns() -> Iterator[Member]:
    N, C, H, W = IMAGE
    windows = {"kernel_size": 3, "padding": 1}
    yield OperationOf("im2col", IMAGE, ("forward",), options=windows)
    yield OperationOf(
        "col2im", (N, C * 9, H * W), ("forward",), first="cols", options={"output_size": (H, W), **windows}
    )


def _normalizations() -> Iterator[Member]:
    channels: dict[str, Shape] = {"weight": IMAGE[1:2], "bias": IMAGE[1:2]}
    features: dict[str, Shape] = {"weight": ROWS[1:], "bias": ROWS[1:]}
    for name, shape, arrays, options in (
        ("batch_norm", IMAGE, channels, {}),
        ("layer_norm", ROWS, features, {"normalized_shape": ROWS[1]}),
        ("group_norm", IMAGE, channels, {"num_groups": _GROUPS}),
        ("instance_norm", IMAGE, channels, {}),
    ):
        yield OperationOf(f"{name}_statistics", shape, ("forward",), options=options)
        yield OperationOf(name, shape, arrays=arrays, options=options)
    yield OperationOf("local_response_norm", IMAGE, options={"size": _ACROSS})


_SMOOTH = ("sigmoid", "tanh", "silu", "softplus", "softsign", "gelu", "elu", "selu")
_BROKEN = ("leaky_relu", "relu6", "hardsigmoid", "hardswish")


def _elementwise() -> Iterator[Member]:
    yield OperationOf("relu", IMAGE)
    yield OperationOf("add", IMAGE, ("forward",), first="a", arrays={"b": IMAGE})
    for name in (*_BROKEN, *_SMOOTH):
        yield OperationOf(name, IMAGE)
    yield OperationOf("prelu", IMAGE, arrays={"weight": (_SLOPES,)})
    for name in ("softmax", "log_softmax"):
        yield OperationOf(name, ROWS)
    yield OperationOf("pad", IMAGE, options={"padding": 1})
    yield OperationOf("upsample", IMAGE, options={"scale_factor": 2})


OPERATIONS: tuple[Member, ...] = (
    *(member for rank in _RANKS for member in _convolutions(rank)),
    OperationOf("linear", ROWS, arrays={"weight": (ROWS[1], ROWS[1]), "bias": (ROWS[1],)}),
    *(member for rank in _RANKS for member in _pools(rank)),
    *_columns(),
    *_normalizations(),
    *_elementwise(),
)


def _layer(name: str, shape: Shape, *arguments: Any, on_both: bool = False, **options: Any) -> Member:
    return LayerOf(name, shape, on_both=on_both, build=Build(name, arguments, options))


def _layers_of_rank(rank: int) -> Iterator[Member]:
    shape = _INPUTS[rank]
    C = shape[1]
    yield _layer(f"Conv{rank}d", shape, C, C, 3, padding=1, rng=0)
    yield _layer(f"ConvTranspose{rank}d", shape, C, C, 4, stride=2, padding=1, rng=0)
    yield _layer(f"MaxPool{rank}d", shape, 2)
    yield _layer(f"AvgPool{rank}d", shape, 2)
    yield _layer(f"LPPool{rank}d", shape, 2, 2)
    for kind in ("Avg", "Max"):
        yield _layer(f"Adaptive{kind}Pool{rank}d", shape, _CELLS)
        yield _layer(f"Global{kind}Pool{rank}d", shape)
    pooled = (*shape[:2], *(size // 2 for size in shape[2:]))
    yield _layer(f"MaxUnpool{rank}d", pooled, Build(f"MaxPool{rank}d", (2,)))
    yield _layer(f"BatchNorm{rank}d", shape, C)
    yield _layer(f"InstanceNorm{rank}d", shape, C, affine=True)
    yield _layer(f"Dropout{rank}d", shape, 0.5, rng=0)
    yield _layer(f"ZeroPad{rank}d", shape, 1)


def _layers_of_any_rank() -> Iterator[Member]:
    C = IMAGE[1]
    yield _layer("Linear", ROWS, ROWS[1], ROWS[1], rng=0)
    yield _layer("LayerNorm", ROWS, ROWS[1])
    yield _layer("GroupNorm", IMAGE, _GROUPS, C)
    yield _layer("LocalResponseNorm", IMAGE, _ACROSS)
    yield _layer("Dropout", IMAGE, 0.5, rng=0)
    yield _layer("ReLU", IMAGE)
    for name in ("LeakyReLU", "ReLU6", "HardSigmoid", "HardSwish", "Sigmoid", "Tanh", "SiLU", "Softplus", "Softsign"):
        yield _layer(name, IMAGE)
    for name in ("GELU", "ELU", "SELU"):
        yield _layer(name, IMAGE)
    yield _layer("PReLU", IMAGE, _SLOPES)
    for name in ("Softmax", "LogSoftmax"):
        yield _layer(name, ROWS, 1)
    yield _layer("Upsample", IMAGE, scale_factor=2)
    yield _layer("SubsampleShortcut", IMAGE, C, 2 * C)
    yield _layer("Flatten", IMAGE)
    yield _layer("Identity", IMAGE, on_both=True)


def _containers() -> Iterator[Member]:
    C = IMAGE[1]
    wide, narrow = Build("Conv2d", (C, C, 3), {"padding": 1, "rng": 0}), Build("Conv2d", (C, C, 1), {"rng": 1})
    yield _layer("Sequential", IMAGE, wide, narrow)
    yield _layer("Residual", IMAGE, wide, narrow)
    yield _layer("Concat", IMAGE, wide, narrow)


LAYERS: tuple[Member, ...] = (
    *(member for rank in _RANKS for member in _layers_of_rank(rank)),
    *_layers_of_any_rank(),
    *_containers(),
)
