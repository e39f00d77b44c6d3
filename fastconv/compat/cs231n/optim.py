"""The update rules of CS231n, ``optim.py``: one parameter, its gradient and a dictionary at a time.

Every rule is ``rule(w, dw, config=None) -> (next_w, config)``. `config` holds the numbers of the rule and what it
remembers; it is the caller's dictionary, in which missing entries are filled in.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any

import numpy as np

from fastconv.compat.cs231n.arguments import NumPyWords
from fastconv.errors import InvalidTypeError, shown
from fastconv.validation.arrays import Array

__all__ = ["adam", "np", "rmsprop", "sgd", "sgd_momentum"]

Config = dict[str, Any]
_TAKEN = "w, dw and config"  # what the words of an error name


def sgd(w: Array, dw: Array, config: Config | None = None) -> tuple[Array, Config]:
    """Take one step of stochastic gradient descent, in place.

    ``w -= learning_rate * dw``

    Parameters
    ----------
    w : ndarray
        A parameter; it is changed.
    dw : ndarray, shaped like w
        Gradient of the loss.
    config : dict, optional
        ``learning_rate`` (1e-2).

    Returns
    -------
    next_w : ndarray
        The same array as `w`.
    config : dict
        The same dictionary, or a new one where there was none.

    Examples
    --------
    >>> import numpy as np
    >>> w = np.array([1.0, 2.0])
    >>> next_w, config = sgd(w, np.array([10.0, -10.0]))
    >>> w.tolist(), next_w is w, config
    ([0.9, 2.1], True, {'learning_rate': 0.01})
    """
    config, (rate,) = _filled("sgd", config, learning_rate=1e-2)
    with NumPyWords("sgd", _TAKEN):
        w -= rate * dw
    return w, config


def sgd_momentum(w: Array, dw: Array, config: Config | None = None) -> tuple[Array, Config]:
    """Take one step of stochastic gradient descent with momentum.

    ``velocity = momentum * velocity - learning_rate * dw; next_w = w + velocity``

    Parameters
    ----------
    w, dw : ndarray
        A parameter and its gradient, which are not changed.
    config : dict, optional
        ``learning_rate`` (1e-2), ``momentum`` (0.9), ``velocity`` (zeros).

    Returns
    -------
    next_w : ndarray
        The parameter after the step.
    config : dict
        As for `sgd`, with the new ``velocity``.

    Notes
    -----
    The learning rate is inside of the velocity: Sutskever et al. (2013), "On the importance of initialization and
    momentum in deep learning", section 2. In `fastconv.optim.SGD` it is outside, as in PyTorch.

    Examples
    --------
    >>> import numpy as np
    >>> next_w, config = sgd_momentum(np.array([1.0]), np.array([2.0]), {"learning_rate": 0.5})
    >>> next_w, _ = sgd_momentum(next_w, np.array([2.0]), config)
    >>> next_w.tolist(), config["velocity"].tolist()
    ([-1.9], [-1.9])
    """
    config, (rate, momentum) = _filled("sgd_momentum", config, learning_rate=1e-2, momentum=0.9)
    velocity = config.get("velocity")
    with NumPyWords("sgd_momentum", _TAKEN):
        if velocity is None:
            velocity = np.zeros_like(w)
        config["velocity"] = velocity = momentum * velocity - rate * dw
        return w + velocity, config


def rmsprop(w: Array, dw: Array, config: Config | None = None) -> tuple[Array, Config]:
    """Take one step of RMSprop.

    ``cache = decay_rate * cache + (1 - decay_rate) * dw²; next_w = w - learning_rate * dw / (sqrt(cache) + epsilon)``

    Parameters
    ----------
    w, dw : ndarray
        A parameter and its gradient, which are not changed.
    config : dict, optional
        ``learning_rate`` (1e-2), ``decay_rate`` (0.99), ``epsilon`` (1e-8), ``cache`` (zeros).

    Returns
    -------
    next_w : ndarray
        The parameter after the step.
    config : dict
        As for `sgd`, with the new ``cache``.

    Notes
    -----
    Tieleman and Hinton (2012), "Neural Networks for Machine Learning", lecture 6.5.

    Examples
    --------
    >>> import numpy as np
    >>> next_w, config = rmsprop(np.array([1.0]), np.array([5.0]), {"decay_rate": 0.75, "epsilon": 0.0})
    >>> next_w.tolist(), config["cache"].tolist()
    ([0.98], [6.25])
    """
    config, (rate, decay, epsilon) = _filled("rmsprop", config, learning_rate=1e-2, decay_rate=0.99, epsilon=1e-8)
    with NumPyWords("rmsprop", _TAKEN):
        if config.get("cache") is None:
            config["cache"] = np.zeros_like(w)
        config["cache"] = cache = decay * config["cache"] + (1 - decay) * dw**2
        return w - rate * dw / (np.sqrt(cache) + epsilon), config


def adam(w: Array, dw: Array, config: Config | None = None) -> tuple[Array, Config]:
    """Take one step of Adam.

    ``t += 1; m = beta1 * m + (1 - beta1) * dw; v = beta2 * v + (1 - beta2) * dw²``, and
    ``next_w = w - learning_rate * m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon)``

    Parameters
    ----------
    w, dw : ndarray
        A parameter and its gradient, which are not changed.
    config : dict, optional
        ``learning_rate`` (1e-3), ``beta1`` (0.9), ``beta2`` (0.999), ``epsilon`` (1e-8), ``m`` and ``v`` (zeros),
        ``t`` (0): the number of steps so far.

    Returns
    -------
    next_w : ndarray
        The parameter after the step.
    config : dict
        As for `sgd`, with the new ``m``, ``v`` and ``t``.

    Notes
    -----
    Kingma and Ba (2015), "Adam: a method for stochastic optimization", algorithm 1.

    Examples
    --------
    >>> import numpy as np
    >>> next_w, config = adam(np.array([1.0]), np.array([5.0]), {"learning_rate": 0.25, "epsilon": 0.0})
    >>> next_w.round(12).tolist(), config["t"]
    ([0.75], 1)
    """
    numbers = {"learning_rate": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}
    config, (rate, beta1, beta2, epsilon) = _filled("adam", config, **numbers)
    with NumPyWords("adam", _TAKEN):
        for name in ("m", "v"):
            if config.get(name) is None:
                config[name] = np.zeros_like(w)
        config["t"] = t = config.get("t", 0) + 1
        config["m"] = m = beta1 * config["m"] + (1 - beta1) * dw
        config["v"] = v = beta2 * config["v"] + (1 - beta2) * dw**2
        return w - rate * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + epsilon), config


def _filled(operation: str, config: Config | None, **defaults: float) -> tuple[Config, list[Any]]:
    """Return the caller's dictionary with the numbers that were missing, and all of them in this order."""
    if config is None:
        config = {}
    elif not isinstance(config, MutableMapping):
        raise InvalidTypeError(f"{operation}: config must be a dictionary or None, but got {shown(config)}.")
    for name, default in defaults.items():
        config.setdefault(name, default)
    return config, _plain(config, defaults)


def _plain(config: Config, names: Mapping[str, float]) -> list[Any]:
    """Python numbers: one of np.logspace, a float64, would make a float32 parameter float64 (NumPy 2)."""
    values = [config[name] for name in names]
    return [value.item() if isinstance(value, np.generic) else value for value in values]
