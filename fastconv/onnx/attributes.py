"""Attributes of a node, held against what the specification says of its operator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastconv.onnx.tensors import Origin, array_of

_FIELDS = {  # by number of the type in the format
    1: "f",
    2: "i",
    3: "s",
    4: "t",
    6: "floats",
    7: "ints",
    8: "strings",
}


def attributes_of(origin: Origin, subject: str, proto: Any, schema: Any, taken: tuple[str, ...]) -> dict[str, Any]:
    """Attributes of a node by name, with the defaults of those that it leaves out.

    `taken` are those that the function of the operator knows: the others must have their defaults.
    """
    defaults = {
        name: _value(origin, subject, one.default_value)
        for name, one in schema.attributes.items()
        if one.default_value.type
    }
    found = dict(defaults)
    for one in proto.attribute:
        known = schema.attributes.get(one.name)
        if known is None:
            raise origin.error(f"{subject} has an attribute {one.name!r}, which its operator does not have.")
        kind = int(getattr(known.type, "value", known.type))
        if one.type != kind or one.ref_attr_name:
            names = {number: name for name, number in origin.package.AttributeProto.AttributeType.items()}
            got = f"a reference to {one.ref_attr_name!r}" if one.ref_attr_name else names.get(one.type, one.type)
            raise origin.error(f"{subject}: attribute {one.name} must be {names.get(kind, kind)}, but is {got}.")
        found[one.name] = _value(origin, f"{subject}: attribute {one.name}", one)
    for name, one in schema.attributes.items():
        if one.required and name not in found:
            raise origin.error(f"{subject} must have an attribute {name}.")
        if name in found and name not in taken and not _is_default(found[name], defaults.get(name)):
            raise origin.error(f"{subject}: attribute {name} must have its default, but is {found[name]!r}.")
    return found


def check_arity(origin: Origin, subject: str, proto: Any, schema: Any) -> None:
    """Refuse too many or too few inputs or outputs, and those left out that are needed."""
    for what, names, formal, least, most in (
        ("inputs", proto.input, schema.inputs, schema.min_input, schema.max_input),
        ("outputs", proto.output, schema.outputs, schema.min_output, schema.max_output),
    ):
        if not least <= len(names) <= most:
            wanted = str(least) if least == most else f"{least} to {most}"
            raise origin.error(f"{subject} must have {wanted} {what}, but has {len(names)}.")
        for index, name in enumerate(names):
            one = formal[min(index, len(formal) - 1)]
            if not name and one.option == origin.package.defs.OpSchema.FormalParameterOption.Single:
                raise origin.error(f"{subject} must have its {what[:-1]} {one.name}, but leaves it out.")


def _value(origin: Origin, subject: str, proto: Any) -> Any:
    if proto.type not in _FIELDS:
        raise origin.error(f"{subject} must be numbers, strings or a tensor, but is of type {proto.type}.")
    value = getattr(proto, _FIELDS[proto.type])
    if proto.type == 4:
        return array_of(origin, subject, value)
    plain: Callable[[Any], Any] = bytes.decode if proto.type in (3, 8) else lambda one: one
    return tuple(map(plain, value)) if proto.type in (6, 7, 8) else plain(value)


def _is_default(value: Any, default: Any) -> bool:
    """Whether an attribute says nothing: what is empty has no default."""
    return bool(value == default) or (default is None and value in ((), ""))
