"""What has a name, such as the optimisers: a dictionary that knows which name was likely meant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from fastconv.errors import UnknownNameError, meant, shown

T = TypeVar("T")


class Registry(dict[str, T]):
    """A dictionary by names, called `subject` in its error of a name that is not there."""

    def __init__(self, subject: str, named: Mapping[str, T]) -> None:
        super().__init__(named)
        self.subject = subject

    def __missing__(self, name: object) -> T:
        raise UnknownNameError(
            f"{self.subject}: the name must be one of {', '.join(map(repr, self))}, but got {shown(name)}."
            f"{meant(name, self)}"
        )
