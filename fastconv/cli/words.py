"""Messages in the words of a command line: ``--resume``, where a program would write ``resume=True``."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from fastconv.errors import meant, shown

_ARGUMENT = re.compile(r"\b([a-z]\w*)=(?:(True|False)\b|\"([^\"]*)\"|'([^']*)'|([\w.]+\w|\w+)|(?=[ ,.)]))")
_SUBJECT = re.compile(r"^(?:[\w.]+: )?([a-z]\w*)(?= must )")
_SPEAKER = re.compile(r"^(?:(?=[A-Z]|onnx)(\w+)\.\w+|([A-Za-z]\w*)): ")  # no name of a file: net.py: ...
_OBJECTS = ("Classifier", "Dataset", "Preprocessing", "Trainer")  # who does the work of a command; layers are a user's
_TOO_MANY = re.compile(r"[Gg]ot unexpected extra arguments?(?:\(s\))? \((.*)\)")
_NO_COMMAND = re.compile(r"No such command '?([^'.]*)'?")
# what is said of a number: by click, in older versions of typer, and by pydantic
_NO_NUMBER = re.compile(r"('.*') is not a valid (integer|float)")
_OUTSIDE = re.compile(r"(\S+) is not in the range (?:([\d.]+)<=)?x([<>]=)([\d.]+)\.")
_RULES = {
    "greater_than_equal": "be at least {ge:g}",
    "less_than_equal": "be at most {le:g}",
    "int_parsing": "be an integer",
    "int_from_float": "be an integer",
    "float_parsing": "be a number",
}


def in_words_of(
    options: Mapping[str, Sequence[str]], message: str, given: Collection[str] = (), command: str = ""
) -> str:
    """Return a message with the options of a command for the arguments that it names.

    Parameters
    ----------
    options : dict of str to sequence of str
        Spellings by the name of the argument; that of a positional one is its metavariable.
    message : str
        What an exception says.
    given : collection of str
        The words of the command line: what must be something else is an option if that is among them.
    command : str
        Who speaks, in place of the functions that do its work; operations and layers speak for themselves.

    Examples
    --------
    >>> options = {"resume": ["--resume"], "checkpoint": ["--checkpoint"], "compiled": ["--compile", "--no-compile"]}
    >>> message = "Trainer.fit: checkpoint must be a folder without a run. Pass resume=True to go on."
    >>> in_words_of(options, message, given=["--checkpoint"])
    '--checkpoint must be a folder without a run. Pass --resume to go on.'
    >>> in_words_of({"batch": ["--batch"]}, "pass batch=1, or layout='NHWC'")
    "pass --batch 1, or layout='NHWC'"
    >>> in_words_of({}, "predict_files: there must be a name for each class.", command="predict")
    'predict: there must be a name for each class.'
    >>> in_words_of({}, "conv2d: x must have four axes.", command="compare")
    'conv2d: x must have four axes.'
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
        known = options.get(found[1], ())
        return next((spelled for spelled in known if spelled in given or not spelled.startswith("-")), found[0])

    message = _ARGUMENT.sub(option, _SUBJECT.sub(subject, message, count=1))
    speaker = _SPEAKER.match(message)
    if command and speaker and _works_for_commands(speaker[1] or speaker[2]):
        return f"{command}: {message[speaker.end() :]}"
    return message


def _works_for_commands(name: str) -> bool:
    from fastconv import functional  # where something is wrong already

    return name in _OBJECTS or (name[0].islower() and name not in functional.__all__)


def usage(error: Any, commands: Collection[str]) -> str:
    """Return what is wrong with a command line; the classes of its errors differ between versions of typer."""
    if hasattr(error, "possibilities"):
        return _no_option(error)
    if found := _NO_COMMAND.match(error.message or ""):
        return f"there is no command {found[1]!r}.{meant(found[1], commands) or _help(error)}"
    if found := _TOO_MANY.match(error.message or ""):
        return f"there must be no further argument, but got {found[1]!r}.{_help(error)}"
    param, message = getattr(error, "param", None), _rule(error)
    hint = getattr(error, "param_hint", None) or ("" if param is None else word_of(param))
    if type(error).__name__ == "MissingParameter":
        about = getattr(param, "help", None)
        return f"{hint} must be given: {about[0].lower()}{about[1:]}" if about else f"{hint} must be given."
    return message if not hint else f"{hint} {message}" if re.match(r"[a-z]+ ", message) else f"{hint}: {message}"


def word_of(param: Any) -> str:
    """Return how a parameter is called on a command line: its option, or the name of its place."""
    option = param.param_type_name == "option"
    return str(param.opts[0] if option else (param.metavar or param.name).strip("[]{}.").upper())


def _no_option(error: Any) -> str:
    params = [] if error.ctx is None else error.ctx.command.params
    seen = [each for each in params if each.param_type_name == "option" and not each.hidden]
    known = [word for each in seen for word in (*each.opts, *each.secondary_opts)]
    return f"there is no option {error.option_name}.{meant(error.option_name, known) or _help(error)}"


def _help(error: Any) -> str:
    """Return a sentence that says where to look."""
    return f" `{error.ctx.command_path if error.ctx else 'fastconv'} --help` lists what there is."


def _rule(error: Any) -> str:
    """Return the message of an error; of a number that is refused, in our words."""
    find: Callable[[], list[dict[str, Any]]] | None = getattr(error.__cause__, "errors", None)  # pydantic's
    for found in find() if find else ():
        if found["type"] in _RULES:
            rule, value = _RULES[found["type"]].format(**found.get("ctx", {})), found["input"]
            return f"must {rule}, but got {value if 'at' in rule else shown(value)}."
    message = str(error.message)
    if number := _NO_NUMBER.match(message):
        return f"must be {'an integer' if number[2] == 'integer' else 'a number'}, but got {number[1]}."
    if outside := _OUTSIDE.match(message):
        value, low, sign, bound = outside.groups()
        above = sign == "<=" and float(value) > float(bound)
        return (
            f"must be at {'most' if above else 'least'} {float(bound if above else low or bound):g}, but got {value}."
        )
    return message
