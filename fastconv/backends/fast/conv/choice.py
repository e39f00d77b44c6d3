"""Which driver runs a pass, by its shape alone."""

from __future__ import annotations

from fastconv.backends.fast.conv.passes import Pass
from fastconv.backends.fast.conv.plan import ConvPlan, WeightPlan, plan_conv, plan_weight
from fastconv.backends.fast.depthwise.plan import (
    DepthwiseGradientPlan,
    DepthwisePlan,
    plan_depthwise,
    plan_depthwise_gradient,
    sums_fit,
)
from fastconv.backends.fast.depthwise.tiles import takes_depthwise_tiles

__all__ = ["GradientPlan", "PassPlan", "plan_gradient", "plan_pass"]

PassPlan = ConvPlan | DepthwisePlan
GradientPlan = WeightPlan | DepthwiseGradientPlan


def plan_pass(task: Pass, itemsize: int, threads: int, limit: int, *, finite: bool = True) -> PassPlan:
    """Plan of a forward pass, or of one of an input gradient: pieces in place if it is depthwise, else bands.

    Pieces never multiply the padding. With weights that are not `finite` that makes a difference, because zero times
    infinity is NaN, on every backend: these go through bands.
    """
    if finite and takes_depthwise_tiles(task):
        return plan_depthwise(task, itemsize, threads)
    return plan_conv(task, itemsize, threads, limit)


def plan_gradient(task: Pass, itemsize: int, threads: int, limit: int, *, finite: bool = True) -> GradientPlan:
    """Plan of the weight gradient that belongs to a forward pass; `finite` says the same of dy."""
    if finite and takes_depthwise_tiles(task) and sums_fit(task, itemsize):
        return plan_depthwise_gradient(task, itemsize, threads)
    return plan_weight(task, itemsize, threads, limit)
