"""Options whose value is a name, or some of a few: what is typed is looked up here, and who misspelt is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer

from fastconv.cli.arguments import none_of

BACKENDS = ("fast", "numpy", "naive")


def choice(known: Sequence[str], help_: str, option: Callable[..., Any] = typer.Option) -> Any:
    """Return an option whose value is one of some names; `option` puts it into its panel."""

    def checked(value: str | None) -> str | None:
        if value is not None and value not in known:
            raise none_of(known, value)
        return value

    return option(metavar="|".join(known), help=help_, callback=checked)


def some_of(*known: str) -> Callable[[str | None], str | None]:
    """Return the callback of an option whose value is some names with commas between them, each of them once."""

    def checked(value: str | None) -> str | None:
        names = words(value)
        for name in names:
            if name not in known:
                raise none_of(known, name, "be some of")
        if (value is not None and not names) or len(set(names)) < len(names):
            raise typer.BadParameter(f"must be some of {', '.join(known)}, each of them once, but got {value!r}.")
        return value

    return checked


def words(text: str | None) -> tuple[str, ...]:
    """Read ``"naive,fast"``; nothing is no words."""
    return tuple(word for part in (text or "").split(",") if (word := part.strip()))


Backend = Annotated[str | None, choice(BACKENDS, "Who computes.")]
