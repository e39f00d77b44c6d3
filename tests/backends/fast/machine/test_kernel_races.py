"""No task writes what another one touches, in any kernel, and every result is written.

How the race in the gradient of average pooling would have been found: each task wrote the numbers between its own back
as it had read them, and with two channels in channels-last memory those were another task's. On two threads half of the
runs were wrong, by as much as the gradient itself; on one thread none.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
from programs import FULL, SUPPORT, run_file
from strategies import BACKENDS

import fastconv as fc

pytestmark = pytest.mark.skipif("fast" not in BACKENDS, reason="the fast backend needs Numba")

OTHER_CPUS = [{"NUMBA_CPU_NAME": name, "NUMBA_CPU_FEATURES": ""} for name in ("haswell", "x86-64")]


@pytest.mark.slow
@pytest.mark.parametrize("cpu", [{}, *OTHER_CPUS * FULL], ids=lambda cpu: cpu.get("NUMBA_CPU_NAME", "this CPU"))
@pytest.mark.parametrize("dtype", ["float32", *["float64"] * FULL])  # the same code, typed anew
def test_tasks_of_a_launch_write_apart_from_each_other(dtype: str, cpu: dict[str, str]) -> None:
    found = json.loads(run_file(SUPPORT / "race_cases.py", dtype, *["full"] * FULL, NUMBA_NUM_THREADS="5", **cpu))
    assert found["seeded"] == {"writes_back": True, "reads": True, "apart": False}
    assert found["races"] == []
    assert found["unsettled"] == []
    other = "_f64" if dtype == "float32" else "_f32"
    assert [name for name in found["never in several tasks"] if not name.endswith(other)] == []


@pytest.mark.parametrize("stride", [1, 2])
def test_two_channels_of_one_image_are_two_tasks(stride: int) -> None:
    shape, options = (1, 40, 129, 2), {"stride": stride, "padding": 1, "layout": "NHWC"}
    dy = np.ones_like(fc.avg_pool2d(np.zeros(shape, np.float32), 3, **options))
    expected = fc.avg_pool2d_backward(dy, shape, 3, **options, backend="naive")
    with fc.use_num_threads(2):
        for _ in range(20):
            dx = fc.avg_pool2d_backward(dy, shape, 3, **options, backend="fast")
            np.testing.assert_allclose(dx, expected, rtol=1e-6)
