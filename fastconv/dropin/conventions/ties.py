"""Who gets the gradient of a maximum that several cells of a window have: the rule that a function keeps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

FIRST, ALL, SPLIT = "first", "all", "split"
RULES = (FIRST, ALL, SPLIT)
_KEY = "ties"  # in the details of an implementation
_WORDS = {ALL: "every maximum gets the gradient", SPLIT: "the maxima share the gradient"}


def rule_kept(details: dict[str, Any], keeps: Callable[[str], bool]) -> str | None:
    """Return the rule that a gradient keeps: that of all gradients before it, once one had to show it.

    Parameters
    ----------
    details : dict
        What is known of the implementation; the rule is noted there when one alone is kept.
    keeps : callable
        Whether the gradient is right under a rule.

    Returns
    -------
    {"first", "all", "split"} or None
        None where the gradient is wrong.

    Examples
    --------
    >>> details = {}
    >>> rule_kept(details, lambda rule: True), rule_kept(details, lambda rule: rule == "all"), rule_of(details)
    ('first', 'all', 'all')
    >>> rule_kept(details, lambda rule: rule == "split") is None  # now another one
    True
    """
    kept = [rule for rule in ((details[_KEY],) if _KEY in details else RULES) if keeps(rule)]
    if len(kept) == 1:
        details[_KEY] = kept[0]
    return kept[0] if kept else None


def rule_of(details: Mapping[str, Any]) -> str:
    """Return the rule of an implementation; the first maximum gets the gradient where nothing else is known."""
    rule: str = details.get(_KEY, FIRST)
    return rule


def remark_on(rule: str) -> str:
    """Say what the rule is, if it is not that of fastconv.

    Examples
    --------
    >>> remark_on("split")
    'ties: the maxima share the gradient; fastconv and PyTorch give it to the first'
    """
    return f"ties: {_WORDS[rule]}; fastconv and PyTorch give it to the first" if rule in _WORDS else ""


def said_of(details: Mapping[str, Any]) -> str:
    """Say the rule of an implementation in a few words, if it is not that of fastconv."""
    return f"ties: {_WORDS[rule_of(details)]}" if rule_of(details) in _WORDS else ""
