"""Made-up results of the benchmark suite, for the tests of what is made of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fastconv.evidence.bench.cases import LOOPS, Case, Selection
from fastconv.evidence.bench.suite import Suite, complete, read_suite

Data = dict[str, Any]

CONV = Case("conv3x3_64_56", "forward", "fast", "float32")
POOL = Case("maxpool2x2_64_56", "forward", "fast", "float32")


def record(
    case: Case = CONV, *, minimum: float = 1.0, median: float = 1.1, peak: float | None = 100.0, **info: Any
) -> Data:
    stats = {"min": minimum, "median": median, "iqr": 0.1, "data": [minimum, median]}
    known: Data = {
        **case._asdict(),
        "description": "",
        "shapes": {"x": [1]},
        "arguments": {},
        "outputs": 10,
        "whole_outputs": 20,
        "flops": 0 if "pool" in case.workload else 10**9,
        "peak_gflops": peak,
        "threads": 2,
        "checked": "the truth",
        "of_tolerance": 0.05,
    }
    return {"name": str(case), "stats": stats, "extra_info": {**known, **info}}


def run_of(*records: Data, selection: Selection | None = None, **environment: Any) -> Data:
    here = {
        "versions": {"fastconv": "9.9"},
        "cpu": "Abacus",
        "cores": 2,
        "threads": 2,
        "load": 0.5,
        "date": "2026-01-01",
    }
    data: Data = {"machine_info": {"fastconv": {**here, **environment}}, "benchmarks": list(records)}
    complete(data, selection or Selection())
    return json.loads(json.dumps(data))


def suite_of(*records: Data, **settings: Any) -> Suite:
    return read_suite(run_of(*records, **settings), "made-up")


def write(path: Path, data: object) -> Path:
    path.write_text(data if isinstance(data, str) else json.dumps(data), encoding="utf-8")
    return path


LOOP = CONV._replace(backend=LOOPS)


def made_suite() -> Data:
    return run_of(
        record(minimum=0.9, median=1.0, outputs=20),
        record(LOOP, minimum=30.0, median=45.0, outputs=10),
        record(POOL, of_tolerance=None, outputs=20),
        record(CONV._replace(dtype="float64"), outputs=20),
    )
