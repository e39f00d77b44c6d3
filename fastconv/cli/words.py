"""Messages of the library in the words of a command line: ``--resume``, where a program would write ``resume=True``."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

_ARGUMENT = re.compile(r"\b([a-z]\w*)=(?:(True|False)\b|\"([^\"]*)\"|'([^']*)'|([\w.]+\w|\w+)|(?=[ ,.)]))")
_SUBJECT = re.compile(r"^(?:[\w.]+: )?([a-z]\w*)(?= must )")


def in_words_of(options: Mapping[str, Sequence[str]], message: str, given: Collection[str] = ()) -> str:
    """Return a message with the options of a command for the arguments that it names.

    Parameters
    ----------
    options : dict of str to sequence of str
        Spellings by the name of the argument; that of a positional one is its metavariable.
    message : str
        What an exception says.
    given : collection of str
        The words of the command line: what must be something else is an option if that is among them.

    Examples
    --------
    >>> options = {"resume": ["--resume"], "checkpoint": ["--checkpoint"], "compiled": ["--compile", "--no-compile"]}
    >>> message = "Trainer.fit: checkpoint must be a folder without a run. Pass resume=True to go on."
    >>> in_words_of(options, message, given=["--checkpoint"])
    '--checkpoint must be a folder without a run. Pass --resume to go on.'
    >>> in_words_of({"batch": ["--batch"]}, "pass batch=1, or layout='NHWC'")
    "pass --batch 1, or layout='NHWC'"
    """

    def option(found: re.Match[str]) -> str:
        spelled = options.get(found[1])
        if not spelled or (found[2] == "False" and len(spelled) < 2):
            return found[0]
        if found[2]:
            return spelled[found[2] == "False"]
        value = next((text for text in found.groups()[2:] if text is not None), "")
        return f"{spelled[0]} {value}".rstrip()

    def subject(found: re.Match[str]) -> str:
        return next((spelled for spelled in options.get(found[1], ()) if spelled in given), found[0])

    return _ARGUMENT.sub(option, _SUBJECT.sub(subject, message, count=1))
