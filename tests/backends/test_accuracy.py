"""Every kind of kernel is within 64 eps of the sum of the magnitudes, for sums of all lengths, numbers of all sizes."""

from __future__ import annotations

import pytest
from accuracy import KERNELS, LENGTHS, SIZES, WIDER, Kernel, error, worst
from programs import FULL
from strategies import BACKENDS

PROMISED = 64
SHORT = (9, 1000, 10_000)


@pytest.mark.skipif("fast" not in BACKENDS, reason="the fast backend needs Numba")
@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.name)
@pytest.mark.parametrize("dtype", WIDER)
def test_every_kernel_is_within_the_promise(kernel: Kernel, dtype: str) -> None:
    found = worst(kernel, dtype, *((LENGTHS, (1e-30, *SIZES, 1e30)) if FULL else (SHORT, SIZES[::2])))
    errors = [each for each in found if each is not None]
    assert errors
    assert max(errors) <= PROMISED


def test_a_sum_that_is_off_is_seen() -> None:
    kernel = KERNELS[-1]._replace(call=lambda x, _: x.mean(axis=1) + 1e-4)
    assert error(kernel, "float32", 100, 1.0) > PROMISED
