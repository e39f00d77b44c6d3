"""Local response normalisation."""

from __future__ import annotations

from math import prod
from typing import Any

from fastconv.backends import check_backend_name
from fastconv.functional.response_normalization import local_response_norm, local_response_norm_backward
from fastconv.layers.arguments import ANY_LAYOUT, check_input_shape, letters_of
from fastconv.layers.base import Layer, Shape
from fastconv.validation.arrays import Array, check_array
from fastconv.validation.sizes import check_any_shape, check_choice, check_integer, check_number
from fastconv.validation.types import ArrayLike, BackendName, Layout


class LocalResponseNorm(Layer):
    """Division of every element by a power of the mean square of its neighbours in other channels.

    ``(N, C, ...) -> (N, C, ...)``

    Parameters
    ----------
    size : int
        Channels of a window: ``size // 2`` before an element, ``(size - 1) // 2`` after it.
    alpha, beta, k : float
        ``y = x / (k + alpha * mean of x²)^beta``; not negative.
    layout : str, optional
        Order of the axes, such as "NHWC"; by default channels come second, whatever the rank.
    backend : {"fast", "numpy", "naive"}, optional
        Backend of this layer; by default the one that is current when `forward` runs.

    Notes
    -----
    As in PyTorch, see `fastconv.local_response_norm`.

    Examples
    --------
    >>> LocalResponseNorm(5)
    LocalResponseNorm(5, alpha=0.0001, beta=0.75, k=1.0)
    """

    keeps_input = True

    def __init__(
        self,
        size: int,
        alpha: float = 1e-4,
        beta: float = 0.75,
        k: float = 1.0,
        *,
        layout: Layout | None = None,
        backend: BackendName | None = None,
    ) -> None:
        super().__init__()
        name = "LocalResponseNorm"
        self.size = check_integer(name, "size", size, 1)
        self.alpha, self.beta, self.k = (
            check_number(name, subject, value, least=0)
            for subject, value in (("alpha", alpha), ("beta", beta), ("k", k))
        )
        self.layout = None if layout is None else check_choice(name, "layout", layout, ANY_LAYOUT)
        self.backend = None if backend is None else check_backend_name(name, backend)

    @property
    def _options(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("size", "alpha", "beta", "k", "layout")}

    def forward(self, x: ArrayLike) -> Array:
        """Normalise `x`; see `Layer.forward`."""
        x = check_array("LocalResponseNorm", "x", x)
        self.output_shape(x.shape)
        y = local_response_norm(x, **self._options, backend=self.backend)
        self._keep(x)
        return y

    def backward(self, dy: ArrayLike, *, input_gradient: bool = True) -> Array | None:
        """Return the gradient of the input; see `Layer.backward`."""
        (x,) = self._kept()
        dy = self._check_dy(dy, x.shape)
        if not input_gradient:
            return None
        return local_response_norm_backward(dy, x, **self._options, backend=self.backend or self._kept_backend())

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the input; see `Layer.output_shape`."""
        shape = check_any_shape(type(self).__name__, "input_shape", input_shape)
        return check_input_shape("LocalResponseNorm", shape, letters_of(shape, self.layout))

    def flops(self, input_shape: Shape) -> int:
        """Per number: a square, the additions of a window, its mean, two for the divisor, a power, a product."""
        return (self.size + 5) * prod(input_shape)

    def scratch_bytes(self, input_shape: Shape, itemsize: int) -> int:
        """Three arrays of the size of the input: squares or products, means and powers."""
        return 3 * prod(input_shape) * max(itemsize, 4) + (3 * 4 * prod(input_shape) if itemsize == 2 else 0)

    def forward_scratch_bytes(self, input_shape: Shape, itemsize: int) -> int:
        """One array: the divisor beside its power; for float16 copies in float32."""
        return prod(input_shape) * (max(itemsize, 4) + (3 * 4 if itemsize == 2 else 0))

    def extra_repr(self) -> str:
        """See `Layer.extra_repr`."""
        layout = "" if self.layout is None else f", layout={self.layout!r}"
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}{layout}"
