"""Tables of a normalisation, between its passes over memory: a number per channel or group, of each image or of all.

They are computed in float64 and rounded once. A task has some of the results, each of which is summed up in order.
"""

from __future__ import annotations

from math import sqrt

import numpy as np

from fastconv.backends.fast.machine.blocks import Block
from fastconv.backends.fast.machine.intrinsics import (
    integer,
    load,
    load_at,
    load_double,
    size_of,
    store,
    store_double,
    store_integer,
    store_number_at,
)
from fastconv.backends.fast.machine.jit import helper
from fastconv.backends.fast.machine.kernel import kernel

# SUMS is (IMAGES, UNITS, 2, CHANNELS) float64, SHARES (IMAGES, UNITS) float64; the results are (IMAGES, CHANNELS). A
# variance is in float64, because that of float32 numbers may be too large or too small for float32; one that a user has
# may be of the dtype of the numbers, and WIDE tells which.
UNITS = Block("SUMS SHARES FIRST SECOND IMAGES UNITS CHANNELS COUNT TASKS", results="FIRST SECOND")
# (ROWS, PARTS) -> (ROWS,): mean and variance of parts of equal size, the variances in float64
PARTS = Block("MEANS VARIANCES MEAN VARIANCE ROWS PARTS TASKS", results="MEAN VARIANCE")
# (ROWS, GROUPS) statistics of groups of SIZE channels, weight and bias of a channel (or 0) -> (ROWS, GROUPS * SIZE);
# EPS is a float64
FACTORS = Block(
    "MEAN VARIANCE WEIGHT BIAS CENTER SCALE SHIFT ROWS GROUPS SIZE EPS WIDE TASKS", results="CENTER SCALE SHIFT"
)
# (ROWS, GROUPS * PARTS) sums -> (ROWS, GROUPS * SIZE) factors; a statistic is over COUNT numbers
FLOW = Block(
    "FIRST SECOND VARIANCE WEIGHT SLOPE SHIFT INVERSE ROWS GROUPS PARTS SIZE COUNT EPS WIDE TASKS",
    results="SLOPE SHIFT INVERSE",
)
# (ROWS, GROUPS * SIZE) sums -> (GROUPS * SIZE,) gradients of weight and bias
GRADIENTS = Block("FIRST SECOND VARIANCE DWEIGHT DBIAS ROWS GROUPS SIZE EPS WIDE TASKS", results="DWEIGHT DBIAS")
# (ROWS, CHANNELS) statistics of a batch; BATCHES is the address of an int64 that counts, or 0; MOMENTUM is a float64,
# and 1 / batches with CUMULATIVE
TRACK = Block(
    "MEAN VARIANCE RUNNING_MEAN RUNNING_VAR BATCHES ROWS CHANNELS NUMBERS MOMENTUM CUMULATIVE WIDE",
    results="RUNNING_MEAN RUNNING_VAR BATCHES",
)
# TABLES tables (IMAGES, CHANNELS), whose rows are so many bytes apart -> (TABLES, IMAGES, CHANNELS, FOLD) if PLANAR,
# else (TABLES, IMAGES, FOLD, CHANNELS)
SPREAD = Block(
    "TABLE0 TABLE1 TABLE2 TABLE3 TABLE4 TABLE5 ROW0 ROW1 ROW2 ROW3 ROW4 ROW5 OUT TABLES IMAGES CHANNELS FOLD PLANAR "
    "TASKS",
    results="OUT",
)

_FACTORS_EPS, _FLOW_EPS, _GRADIENTS_EPS = (block.index["EPS"] for block in (FACTORS, FLOW, GRADIENTS))
_MOMENTUM, _ROW0 = TRACK.index["MOMENTUM"], SPREAD.index["ROW0"]
MOMENTS, SUMS = 0, 1


@helper
def _inverse_deviation(variance, eps):
    """1 / sqrt(variance + eps)."""
    total = variance + eps
    if total > 0.0:
        return 1.0 / sqrt(total)
    return np.inf if total == 0.0 else np.nan


@helper
def _number(table, index, number):
    """Number `index` of a table as float64."""
    return float(load_at(table, index, number))


@helper
def _variance(table, index, wide, number):
    """Number `index` of a table of variances, which are float64 if `wide`."""
    return load_double(table, index) if wide else _number(table, index, number)


@kernel(UNITS, form={"moments": MOMENTS, "sums": SUMS})
def merge_units(args, task, number, form):
    """Mean and variance of all units together (Chan, Golub and LeVeque 1983, equation 2.1), or sums of their sums."""
    channels, units, tasks, sums = args.CHANNELS, args.UNITS, args.TASKS, args.SUMS
    entries = args.IMAGES * channels
    for i in range(entries * task // tasks, entries * (task + 1) // tasks):
        start, a, b = i // channels * units * 2 * channels + i % channels, 0.0, 0.0
        if form == MOMENTS:
            shares = args.SHARES + i // channels * units * 8
            for u in range(units):
                a += load_double(sums, start + 2 * u * channels) * load_double(shares, u)
            for u in range(units):
                deviation = load_double(sums, start + 2 * u * channels) - a
                within = load_double(sums, start + (2 * u + 1) * channels) / args.COUNT
                b += deviation * deviation * load_double(shares, u) + within
        else:
            for u in range(units):
                a += load_double(sums, start + 2 * u * channels)
                b += load_double(sums, start + (2 * u + 1) * channels)
        store_number_at(args.FIRST, i, a, number)
        if form == MOMENTS:
            store_double(args.SECOND, i, b)
        else:
            store_number_at(args.SECOND, i, b, number)


@kernel(PARTS)
def merge_parts(args, task, number):
    """Mean and variance of all parts of a row together."""
    parts, tasks, rows = args.PARTS, args.TASKS, args.ROWS
    for row in range(rows * task // tasks, rows * (task + 1) // tasks):
        center, spread = 0.0, 0.0
        for part in range(parts):
            center += _number(args.MEANS, row * parts + part, number)
        center /= parts
        for part in range(parts):
            deviation = _number(args.MEANS, row * parts + part, number) - center
            spread += load_double(args.VARIANCES, row * parts + part) + deviation * deviation
        store_number_at(args.MEAN, row, center, number)
        store_double(args.VARIANCE, row, spread / parts)


@kernel(FACTORS)
def factors(args, task, number):
    """Mean, factor and term of every channel: ``y = (x - center) * scale + shift``."""
    size, tasks, weight, bias = args.SIZE, args.TASKS, args.WEIGHT, args.BIAS
    eps, channels, entries = load_double(args, _FACTORS_EPS), args.GROUPS * size, args.ROWS * args.GROUPS * size
    for i in range(entries * task // tasks, entries * (task + 1) // tasks):
        c, place = i % channels, i // size
        scale = _inverse_deviation(_variance(args.VARIANCE, place, args.WIDE, number), eps)
        if weight != 0:
            scale *= _number(weight, c, number)
        store_number_at(args.CENTER, i, _number(args.MEAN, place, number), number)
        store_number_at(args.SCALE, i, scale, number)
        store_number_at(args.SHIFT, i, _number(bias, c, number) if bias != 0 else 0.0, number)


@kernel(FLOW)
def flow(args, task, number):
    """What the statistics add to dx, as factors of ``x - mean`` and of 1, all times the inverse deviation."""
    parts, size, tasks, weight = args.PARTS, args.SIZE, args.TASKS, args.WEIGHT
    eps, count, entries = load_double(args, _FLOW_EPS), args.COUNT, args.ROWS * args.GROUPS
    for i in range(entries * task // tasks, entries * (task + 1) // tasks):
        first, second = 0.0, 0.0
        for part in range(parts):
            factor = _number(weight, i % args.GROUPS * parts + part, number) if weight != 0 else 1.0
            first += _number(args.FIRST, i * parts + part, number) * factor
            second += _number(args.SECOND, i * parts + part, number) * factor
        inverse = _inverse_deviation(_variance(args.VARIANCE, i, args.WIDE, number), eps)
        slope, shift = -second * inverse * inverse / count, -first / count
        for k in range(i * size, (i + 1) * size):
            store_number_at(args.SLOPE, k, slope, number)
            store_number_at(args.SHIFT, k, shift, number)
            store_number_at(args.INVERSE, k, inverse, number)


@kernel(GRADIENTS)
def gradients(args, task, number):
    """Gradients of weight and bias: sums over the rows."""
    size, tasks, groups = args.SIZE, args.TASKS, args.GROUPS
    eps, channels = load_double(args, _GRADIENTS_EPS), groups * size
    for c in range(channels * task // tasks, channels * (task + 1) // tasks):
        dweight, dbias = 0.0, 0.0
        for row in range(args.ROWS):
            inverse = _inverse_deviation(_variance(args.VARIANCE, row * groups + c // size, args.WIDE, number), eps)
            dweight += _number(args.SECOND, row * channels + c, number) * inverse
            dbias += _number(args.FIRST, row * channels + c, number)
        store_number_at(args.DWEIGHT, c, dweight, number)
        store_number_at(args.DBIAS, c, dbias, number)


@kernel(TRACK)
def track(args, task, number):
    """Count a batch, and move the running statistics towards the means over its rows; one task does it all."""
    rows, channels, numbers, batches = args.ROWS, args.CHANNELS, args.NUMBERS, args.BATCHES
    factor, unbiased = load_double(args, _MOMENTUM), numbers / (numbers - 1)
    if batches != 0:
        store_integer(batches, 0, integer(batches, 0) + 1)
        if args.CUMULATIVE:
            factor = 1 / integer(batches, 0)
    for c in range(channels):
        mean, variance = 0.0, 0.0
        for row in range(rows):
            mean += _number(args.MEAN, row * channels + c, number)
            variance += _variance(args.VARIANCE, row * channels + c, args.WIDE, number)
        mean, variance = mean / rows, variance / rows * unbiased
        before = _number(args.RUNNING_MEAN, c, number)
        store_number_at(args.RUNNING_MEAN, c, before * (1 - factor) + mean * factor, number)
        before = _number(args.RUNNING_VAR, c, number)
        store_number_at(args.RUNNING_VAR, c, before * (1 - factor) + variance * factor, number)


@kernel(SPREAD)
def spread(args, task, number):
    """Factors as the passes read them, where a row has several numbers of a channel."""
    channels, fold, images, item, tasks = args.CHANNELS, args.FOLD, args.IMAGES, size_of(number), args.TASKS
    beside, apart = (item, fold * item) if args.PLANAR else (channels * item, item)
    rows = args.TABLES * images
    for row in range(rows * task // tasks, rows * (task + 1) // tasks):
        table, out = row // images, args.OUT + row * channels * fold * item
        source = integer(args, table) + row % images * integer(args, _ROW0 + table)
        for c in range(channels):
            value = load(source + c * item, number)
            for k in range(fold):
                store(out + c * apart + k * beside, value)
