"""Words for what was found in a file that nobody vouches for."""

from __future__ import annotations

_LONGEST = 80  # characters of a value in a message
_SHORT = 8  # items of one


def shown(value: object) -> str:
    """Words for a value of a file, which may be of any length, or hold one part any number of times."""
    if isinstance(value, (list, tuple, dict)):
        short = len(value) <= _SHORT and all(isinstance(item, int) and abs(item) < 2**63 for item in value)
        return repr(value) if short and not isinstance(value, dict) else f"a {type(value).__name__} of {len(value)}"
    if isinstance(value, (str, bytes, bytearray)):
        return repr(value[:_LONGEST]) + ("..." if len(value) > _LONGEST else "")
    if isinstance(value, int) and value.bit_length() > _LONGEST:
        return f"an integer of {value.bit_length()} bits"
    return repr(value) if value is None or isinstance(value, (int, float)) else type(value).__name__
