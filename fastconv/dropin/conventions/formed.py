"""Conventions of functions whose parameters are told by their names."""

from __future__ import annotations

from typing import Any

from fastconv.dropin.conventions.convention import Convention, Implementation, parameter_names
from fastconv.dropin.conventions.signatures import Form
from fastconv.errors import InvalidValueError


class Formed(Convention):
    """What conventions of plain functions have in common: the parameters of every function are a `Form`."""

    def form_of(self, function: Any, role: str) -> Form | None:
        """Return the parameters of a function in a role; None if they are not those of this convention."""
        raise NotImplementedError

    def known_form(self, implementation: Implementation, role: str | None = None) -> Form:
        """Return the parameters of one function of an implementation, by default the first.

        Raises
        ------
        ValueError
            If it was named in a mapping, and has other parameters.
        """
        role = role or next(iter(implementation.targets))
        if role not in implementation.details:
            form = self.form_of(implementation[role], role)
            if form is None:
                label = implementation.targets[role].label
                got = ", ".join(parameter_names(implementation[role]))
                raise InvalidValueError(
                    f"mapping: the parameters of {label} must be those of {self.form}, but got {got}."
                )
            implementation.details[role] = form
        found: Form = implementation.details[role]
        return found

    def forms(self, implementation: Implementation) -> list[Form]:
        """Return the parameters of all functions that take sizes."""
        return [self.known_form(implementation, role) for role in implementation.targets]
