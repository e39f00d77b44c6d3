"""Exponentials and logarithms for kernels, without a branch, so that LLVM vectorises the loops that call them.

The C library's are scalar calls. These are within 2 units in the last place of the right value (`sigmoid` and `tanh`
within 3), in float32 and float64 alike; subnormal numbers, both zeros, infinity and NaN are as in C. They round in the
same order in every lane and on every CPU: nothing is contracted. Each is a function of one number, which says the type,
and calls functions of this file alone, so that with ``NUMBA_DISABLE_JIT=1`` it is its own readable twin.

Cody and Waite (1980), "Software Manual for the Elementary Functions", chapters 5 and 6, for the reductions; Ng (1993),
FDLIBM, ``e_log.c``, for the series of the logarithm. Those of the exponential interpolate at Chebyshev's nodes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir

from fastconv.backends.fast.machine.jit import code, emitted, helper

_FLOATS = {4: np.float32, 8: np.float64}
_BITS = {4: (np.int32, 23, 127), 8: (np.int64, 52, 1023)}  # integer of that size, bits of the mantissa, bias
_SHIFTERS = {4: 1.5 * 2.0**23, 8: 1.5 * 2.0**52}  # added to a small number, its last bit is worth 1
_ROOT_HALF = {4: 0x3F3504F3, 8: 0x3FE6A09E667F3BCD}  # bits of the square root of 1/2


def polynomial(single: tuple[float, ...], double: tuple[float, ...]) -> Callable[[Any], Any]:
    """Make a function of x: a polynomial by Horner's rule, from these coefficients of x⁰, x¹, … for each type."""
    coefficients = {4: single, 8: double}

    def twin(x):
        kind = type(x)
        *others, total = map(kind, coefficients[x.itemsize])
        for number in reversed(others):
            total = total * x + number
        return total

    @emitted(twin)
    def horner(typing_context, x):
        def emit(builder, x):
            *others, total = (ir.Constant(x.type, number) for number in coefficients[_size(x)])
            for number in reversed(others):
                total = builder.fadd(builder.fmul(total, x), number)
            return total

        return code(x(x), emit)

    made: Callable[[Any], Any] = horner
    return made


def by_type(single: float, double: float) -> Callable[[Any], Any]:
    """Make a function of x: a number of its type, one for each."""
    return polynomial((single,), (double,))


def always(number: float) -> Callable[[Any], Any]:
    """Make a function of x: one number, in its type."""
    return by_type(number, number)


def _size(x: ir.Value) -> int:
    return 4 if x.type == ir.FloatType() else 8


def _kinds(x: ir.Value) -> tuple[ir.Type, int, int]:
    """Integer as wide as x, bits of the mantissa, and bias of the exponent."""
    _, mantissa, bias = _BITS[_size(x)]
    return ir.IntType(8 * _size(x)), mantissa, bias


def _power_of_two(n):
    return type(n)(2.0 ** float(n)) if n == n else n


@emitted(_power_of_two)
def power_of_two(typing_context, n):
    """2^n for a whole number, from the least exponent of a normal number to the largest."""

    def emit(builder, n):
        whole, mantissa, bias = _kinds(n)
        shifted = builder.fadd(n, ir.Constant(n.type, _SHIFTERS[_size(n)] + bias))
        bits = builder.shl(builder.bitcast(shifted, whole), ir.Constant(whole, mantissa))
        return builder.bitcast(bits, n.type)

    return code(n(n), emit)


def _exponent(x):
    kind, mantissa, _ = _BITS[x.itemsize]
    return type(x)((int(x.view(kind)) - _ROOT_HALF[x.itemsize]) >> mantissa)


@emitted(_exponent)
def exponent(typing_context, x):
    """The k for which x / 2^k, of a positive normal number, is between the square roots of 1/2 and 2."""

    def emit(builder, x):
        whole, mantissa, _ = _kinds(x)
        above = builder.sub(builder.bitcast(x, whole), ir.Constant(whole, _ROOT_HALF[_size(x)]))
        k = builder.ashr(above, ir.Constant(whole, mantissa))
        short = ir.IntType(32)
        return builder.sitofp(k if whole == short else builder.trunc(k, short), x.type)

    return code(x(x), emit)


def _fraction(x):
    return np.ldexp(x, -int(_exponent(x)))


@emitted(_fraction)
def fraction(typing_context, x):
    """Return x / 2^k, with the k of `exponent`."""

    def emit(builder, x):
        whole, mantissa, _ = _kinds(x)
        bits = builder.bitcast(x, whole)
        above = builder.sub(bits, ir.Constant(whole, _ROOT_HALF[_size(x)]))
        power = builder.and_(above, ir.Constant(whole, -1 << mantissa))
        return builder.bitcast(builder.sub(bits, power), x.type)

    return code(x(x), emit)


_ZERO, _HALF, _ONE, _TWO = always(0.0), always(0.5), always(1.0), always(2.0)
_INFINITY, _NAN = always(np.inf), always(np.nan)
_SHIFTER = by_type(_SHIFTERS[4], _SHIFTERS[8])
_LOG2_E = always(1.4426950408889634)
_LN2_HIGH = by_type(0.693359375, 6.93147180369123816490e-01)  # times an exponent it is exact
_LN2_LOW = by_type(-2.12194440e-4, 1.90821492927058770002e-10)
_LARGEST, _SMALLEST = by_type(89.0, 710.0), by_type(-104.0, -746.0)  # beyond them e^x is infinity and 0
_LOST = by_type(-20.0, -40.0)  # below it e^x - 1 is -1
_TINY = by_type(2.0**-24, 2.0**-53)  # below it sizes of numbers are those of expm1, log1p and tanh
_EXP_SERIES = polynomial(  # (e^r - 1 - r) / r²
    (0.5, 0.16666576266288757, 0.04166655242443085, 0.008363333530724049, 0.001392637612298131),
    (
        0.5, 0.16666666666666669, 0.04166666666662399, 0.008333333333330051, 0.001388888891728333,
        0.0001984126986310715, 2.480152118783432e-05, 2.7557268376851323e-06, 2.762013985250333e-07,
        2.510042502811674e-08,
    ),
)  # fmt: skip

_LEAST_NORMAL, _UP, _UP_EXPONENT = by_type(2.0**-126, 2.0**-1022), by_type(2.0**24, 2.0**54), by_type(24.0, 54.0)
_LOG_SERIES = polynomial(  # ln((1 + s) / (1 - s)) = 2 s + s s² (…), by powers of s²
    (0.66666662693, 0.40000972152, 0.28498786688, 0.24279078841),
    (
        6.666666666666735130e-01, 3.999999999940941908e-01, 2.857142874366239149e-01, 2.222219843214978396e-01,
        1.818357216161805012e-01, 1.531383769920937332e-01, 1.479819860511658591e-01,
    ),
)  # fmt: skip


@helper
def exp(x):
    """e^x: 2^n e^r with ``r = x - n ln 2``; 2^n in two factors, the second of which rounds if the result is small."""
    x = _LARGEST(x) if x > _LARGEST(x) else x
    x = _SMALLEST(x) if x < _SMALLEST(x) else x
    n = (x * _LOG2_E(x) + _SHIFTER(x)) - _SHIFTER(x)
    r = (x - n * _LN2_HIGH(x)) - n * _LN2_LOW(x)
    first = (n * _HALF(x) + _SHIFTER(x)) - _SHIFTER(x)
    return (_ONE(x) + (r + r * r * _EXP_SERIES(r))) * power_of_two(first) * power_of_two(n - first)


@helper
def expm1(x):
    """e^x - 1: ``(2^n - 1) + 2^n (e^r - 1)``, with what r has lost by rounding added to its square; half of it."""
    size = abs(x)
    y = _LARGEST(x) if x > _LARGEST(x) else x
    y = _LOST(x) if y < _LOST(x) else y
    n = (y * _LOG2_E(x) + _SHIFTER(x)) - _SHIFTER(x)
    high, low = y - n * _LN2_HIGH(x), n * _LN2_LOW(x)
    r = high - low
    scale = power_of_two(n - _ONE(x))
    rest = r * r * _EXP_SERIES(r) + ((high - r) - low)
    result = (((scale - _HALF(x)) + scale * r) + scale * rest) * _TWO(x)
    return x if size < _TINY(x) else result


@helper
def sigmoid(x):
    """1 / (1 + e^-x), from e^-|x|, which does not overflow."""
    e = exp(-abs(x))
    return (e if x < _ZERO(x) else _ONE(x)) / (_ONE(x) + e)


@helper
def tanh(x):
    """``u / (u + 2)`` with ``u = e^2|x| - 1``, and the sign of x."""
    size = abs(x)
    u = expm1(_TWO(x) * size)
    share = _TWO(x) / (u + _TWO(x))
    result = _ONE(x) - share if size > _HALF(x) else u / (u + _TWO(x))
    result = -result if x < _ZERO(x) else result
    return x if size < _TINY(x) else result


@helper
def log(x):
    """Return ``k ln 2 + ln(1 + f)`` with ``x = 2^k (1 + f)``; a subnormal x is scaled first."""
    small = x < _LEAST_NORMAL(x)
    y = x * _UP(x) if small else x
    k = exponent(y)
    f = fraction(y) - _ONE(x)
    s = f / (_TWO(x) + f)
    half_square = _HALF(x) * f * f
    series = s * (half_square + s * s * _LOG_SERIES(s * s))
    k = k - _UP_EXPONENT(x) if small else k
    result = k * _LN2_HIGH(x) - ((half_square - (series + k * _LN2_LOW(x))) - f)
    result = x if x == _INFINITY(x) else result
    result = -_INFINITY(x) if x == _ZERO(x) else result
    return result if x >= _ZERO(x) else _NAN(x)


@helper
def log1p(x):
    """Return ln(1 + x): the logarithm of the rounded sum, and what the sum has lost over it."""
    total = _ONE(x) + x
    result = log(total) + (x - (total - _ONE(x))) / total
    result = log(total) if x == _INFINITY(x) or x == -_ONE(x) else result
    return x if abs(x) < _TINY(x) else result
