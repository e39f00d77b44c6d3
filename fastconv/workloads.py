"""The named workloads, under the name that programs import them by; they are in `fastconv.evidence.workloads`."""

from fastconv.evidence.workloads import (
    IMAGE_NAMES,
    LAYERS,
    POOLS,
    ImageWorkload,
    Options,
    Workload,
    by_name,
    image_workloads,
)

__all__ = ["IMAGE_NAMES", "LAYERS", "POOLS", "ImageWorkload", "Options", "Workload", "by_name", "image_workloads"]
