"""Activation functions and their gradients, number by number, over memory without gaps; and PReLU.

No function has a branch, so that LLVM vectorises these loops to the full width of the CPU. What each computes is in
`backends.activations`, its NumPy twin: gradients get dy and the output or the input, as there.
"""

from __future__ import annotations

from fastconv.backends.fast.machine.activations import (
    elu,
    hardsigmoid,
    hardswish,
    leaky_relu,
    logistic,
    relu6,
    silu,
)
from fastconv.backends.fast.machine.blocks import Block
from fastconv.backends.fast.machine.elementary import always, exp, log1p, polynomial, sigmoid, tanh
from fastconv.backends.fast.machine.intrinsics import load_at, size_of, store_at
from fastconv.backends.fast.machine.jit import helper
from fastconv.backends.fast.machine.kernel import kernel

# NUMBERS of each array; two FACTORS, of its type, belong to the function
ACTIVATION = Block("X OUT FACTORS NUMBERS TASKS", results="OUT")
GRADIENT = Block("DY VALUE OUT FACTORS NUMBERS TASKS", results="OUT")
# LENGTH numbers side by side belong to one channel, the next ones to the next
PRELU = Block("X OUT SLOPES CHANNELS LENGTH NUMBERS TASKS", results="OUT")
PRELU_GRADIENT = Block("DY X OUT SHARE SLOPES CHANNELS LENGTH NUMBERS TASKS", results="OUT SHARE")

_ZERO, _HALF, _ONE, _THREE, _SIX = always(0.0), always(0.5), always(1.0), always(3.0), always(6.0)
_MINUS_HALF, _CENTRE, _LIMIT, _THIRTY = always(-0.5), always(5.0), always(40.0), always(30.0)
_DENSITY = always(0.3989422804014327)  # 1 / √(2π)
_SLOPE, _CUBE, _THREE_CUBES = always(1.5957691216057308), always(0.044715), always(3 * 0.044715)  # 2 √(2/π)
TAIL_SERIES = {  # of `backends.gaussian`, by powers of t
    4: (
        0.4615158344962786, -0.09155229981235102, 0.031030033202064863, 0.010002862515505572, -0.02639712116701221,
        0.02453280490654564, -0.015187213441580581, 0.006536668448619774, -0.001643488571302251,
        -1.7848740089807915e-05, 0.0001531002685506734, -3.104840446405442e-05,
    ),
    8: (
        0.4615158298500378, -0.09155228183400904, 0.03103036842596285, 0.010002352385229382, -0.026401042966267253,
        0.024536963243678652, -0.015170415403281226, 0.006522000667783897, -0.0016760723371645693,
        7.791597409338999e-06, 0.00018233410307611753, -5.3607581114872195e-05, -9.895946159334735e-06,
        9.059824681256636e-06, -7.070628846317717e-08, -1.3074486019237587e-06, 1.284479710649634e-07,
        1.9627809920091187e-07, -2.688202129280215e-08, -3.0952017558042075e-08, 4.022493382168716e-09,
        4.401159622759926e-09, -4.327297110082091e-10, -3.815816262632953e-10, 2.5086998016985133e-11,
    ),
}  # fmt: skip
_TAIL = polynomial(TAIL_SERIES[4], TAIL_SERIES[8])


@helper
def _tanh(x, a, b):
    return tanh(x)


@helper
def _softplus(x, beta, threshold):
    scaled = x * beta
    return x if scaled > threshold else log1p(exp(scaled)) / beta


@helper
def _softsign(x, a, b):
    return x / (_ONE(x) + abs(x))


@helper
def _bell(x):
    return exp(x * x * _MINUS_HALF(x))


@helper
def _cumulative(x):
    """Φ(x), from the upper tail of |x|; see `backends.gaussian`."""
    size = abs(x)
    size = _LIMIT(x) if size > _LIMIT(x) else size
    q = _TAIL((size - _CENTRE(x)) / (size + _CENTRE(x))) / (size + _ONE(x)) * _bell(size)
    return _ONE(x) - q if x > _ZERO(x) else q


@helper
def _gelu(x, a, b):
    return _cumulative(x) * x


@helper
def _tanh_gate(x):
    """(1 + tanh(u)) / 2 is sigmoid(2u)."""
    return sigmoid((x * x * _CUBE(x) + _ONE(x)) * x * _SLOPE(x))


@helper
def _gelu_tanh(x, a, b):
    return _tanh_gate(x) * x


@helper
def _relu6_backward(dy, y, a, b):
    below = _ZERO(y) if y <= _ZERO(y) else dy
    return _ZERO(y) if y >= _SIX(y) else below


@helper
def _leaky_relu_backward(dy, y, slope, b):
    return dy if y > _ZERO(y) else dy * slope


@helper
def _hardsigmoid_backward(dy, y, a, b):
    below = dy / _SIX(y) if y < _ONE(y) else _ZERO(y)
    return below if y > _ZERO(y) else _ZERO(y)


@helper
def _hardswish_backward(dy, x, a, b):
    inside = (x / _THREE(x) + _HALF(x)) * dy
    inside = inside if x < _THREE(x) else dy
    return _ZERO(x) if x <= -_THREE(x) else inside


@helper
def _elu_backward(dy, y, alpha, scale):
    return (y + alpha if y <= _ZERO(y) else scale) * dy


@helper
def _sigmoid_backward(dy, y, a, b):
    return (_ONE(y) - y) * y * dy


@helper
def _tanh_backward(dy, y, a, b):
    return (_ONE(y) - y * y) * dy


@helper
def _silu_backward(dy, x, a, b):
    s = sigmoid(x)
    return ((_ONE(x) - s) * x + _ONE(x)) * s * dy


@helper
def _softplus_backward(dy, x, beta, threshold):
    scaled = x * beta
    slope = sigmoid(scaled) * dy
    return dy if scaled > threshold else slope


@helper
def _softsign_backward(dy, x, a, b):
    size = abs(x) + _ONE(x)
    return dy / (size * size)


@helper
def _gelu_backward(dy, x, a, b):
    return (_cumulative(x) + _bell(x) * _DENSITY(x) * x) * dy


@helper
def _gelu_tanh_backward(dy, x, a, b):
    s = _tanh_gate(x)
    near = _THIRTY(x) if x > _THIRTY(x) else x
    near = -_THIRTY(x) if near < -_THIRTY(x) else near
    rise = (near * near * _THREE_CUBES(x) + _ONE(x)) * _SLOPE(x)
    return ((_ONE(x) - s) * x * rise + _ONE(x)) * s * dy


FORWARD = {
    "relu6": relu6,
    "leaky_relu": leaky_relu,
    "hardsigmoid": hardsigmoid,
    "hardswish": hardswish,
    "elu": elu,
    "sigmoid": logistic,
    "tanh": _tanh,
    "silu": silu,
    "softplus": _softplus,
    "softsign": _softsign,
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
}
BACKWARD = {
    "relu6": _relu6_backward,
    "leaky_relu": _leaky_relu_backward,
    "hardsigmoid": _hardsigmoid_backward,
    "hardswish": _hardswish_backward,
    "elu": _elu_backward,
    "sigmoid": _sigmoid_backward,
    "tanh": _tanh_backward,
    "silu": _silu_backward,
    "softplus": _softplus_backward,
    "softsign": _softsign_backward,
    "gelu": _gelu_backward,
    "gelu_tanh": _gelu_tanh_backward,
}


@kernel(ACTIVATION, function=FORWARD)
def activation(args, task, number, function):
    """OUT = function(X)."""
    numbers, tasks, x, out = args.NUMBERS, args.TASKS, args.X, args.OUT
    a, b = load_at(args.FACTORS, 0, number), load_at(args.FACTORS, 1, number)
    for i in range(numbers * task // tasks, numbers * (task + 1) // tasks):
        store_at(out, i, function(load_at(x, i, number), a, b))


@kernel(GRADIENT, function=BACKWARD)
def activation_backward(args, task, number, function):
    """OUT = gradient from DY and VALUE."""
    numbers, tasks, dy, value, out = args.NUMBERS, args.TASKS, args.DY, args.VALUE, args.OUT
    a, b = load_at(args.FACTORS, 0, number), load_at(args.FACTORS, 1, number)
    for i in range(numbers * task // tasks, numbers * (task + 1) // tasks):
        store_at(out, i, function(load_at(dy, i, number), load_at(value, i, number), a, b))


@helper
def _prelu_run(x, out, slopes, step, first, last, number):
    """Numbers `first` to ``last - 1``, all with the first slope, or with the next one each if `step` is 1."""
    slope = load_at(slopes, 0, number)
    for i in range(first, last):
        value = load_at(x, i, number)
        product = value * (slope if step == 0 else load_at(slopes, i - first, number))
        store_at(out, i, value if value > number else product)


@kernel(PRELU)
def prelu(args, task, number):
    """OUT = X where it is positive, else X times the slope of its channel."""
    numbers, tasks, length, channels = args.NUMBERS, args.TASKS, args.LENGTH, args.CHANNELS
    x, out, slopes = args.X, args.OUT, args.SLOPES
    first, stop = numbers * task // tasks, numbers * (task + 1) // tasks
    while first < stop:
        run = first // length
        channel = run % channels
        slope = slopes + channel * size_of(number)
        if length == 1:
            last = min(stop, first - channel + channels)
            _prelu_run(x, out, slope, 1, first, last, number)
        else:
            last = min(stop, (run + 1) * length)
            _prelu_run(x, out, slope, 0, first, last, number)
        first = last


@helper
def _prelu_gradient_run(args, slopes, step, first, last, number):
    dy, x, out, share = args.DY, args.X, args.OUT, args.SHARE
    slope = load_at(slopes, 0, number)
    for i in range(first, last):
        value, gradient = load_at(x, i, number), load_at(dy, i, number)
        product = gradient * (slope if step == 0 else load_at(slopes, i - first, number))
        store_at(out, i, gradient if value > number else product)
        store_at(share, i, number if value > number else gradient * value)


@kernel(PRELU_GRADIENT)
def prelu_backward(args, task, number):
    """OUT = the gradient of X; SHARE = what each number contributes to that of its slope."""
    numbers, tasks, length, channels = args.NUMBERS, args.TASKS, args.LENGTH, args.CHANNELS
    first, stop = numbers * task // tasks, numbers * (task + 1) // tasks
    while first < stop:
        run = first // length
        channel = run % channels
        slope = args.SLOPES + channel * size_of(number)
        if length == 1:
            last = min(stop, first - channel + channels)
            _prelu_gradient_run(args, slope, 1, first, last, number)
        else:
            last = min(stop, (run + 1) * length)
            _prelu_gradient_run(args, slope, 0, first, last, number)
        first = last
