"""The words in the names of functions and parameters, however they are put together."""

from __future__ import annotations

import re

FORWARD = {"forward", "fwd"}
BACKWARD = {"backward", "bwd", "backprop", "bprop", "back", "grad", "gradient", "gradients"}
_BOUNDARY = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_GLUED = re.compile(
    r"conv(?:olution(?:al)?|olve)?|cross|corr(?:elat(?:e|ion))?|max|avg|average|mean|pool(?:ing)?|(?<=[a-z])[123]d"
    r"|forward|fwd|backward|backprop|bprop|bwd|back|gradient|grad|naive|fast|layer|numpy|relu|transpose|\Ad(?=conv|max|avg|pool)"
)


def words(name: str) -> list[str]:
    """Return the words of a name in lower case, those that are written in one apart where they are the usual ones.

    Examples
    --------
    >>> words("ConvForward_naive2"), words("MaxPool2D"), words("maxpoolBackward"), words("dconv")
    (['conv', 'forward', 'naive2'], ['max', 'pool2d'], ['max', 'pool', 'backward'], ['d', 'conv'])
    """
    spelled = re.sub(r"(?<=\d)D(?![a-z])", "d", name).replace("ReLU", "Relu").replace("ConvNet", "Convnet")
    return [part for word in re.split(r"[_\W]+", _BOUNDARY.sub("_", spelled).lower()) if word for part in _apart(word)]


def is_backward(name: str) -> bool:
    """Whether the name of a function says that it computes gradients.

    Examples
    --------
    >>> is_backward("conv_bwd"), is_backward("dconv"), is_backward("conv_3d")
    (True, True, False)
    """
    spoken = words(name)
    return bool(BACKWARD & set(spoken)) or spoken[:1] == ["d"]


def _apart(word: str) -> list[str]:
    """Take a word apart that is nothing but usual ones: "maxpool2d" is max and pool2d."""
    parts = _GLUED.findall(word)
    if "".join(parts) != word:
        return [word]
    joined: list[str] = []
    for part in parts:
        if part[0].isdigit() and joined:
            joined[-1] += part
        else:
            joined.append(part)
    return joined
