"""Messages between the contest and its workers: JSON objects, each after its length in four bytes."""

from __future__ import annotations

import json
from typing import Any, BinaryIO

__all__ = ["Message", "receive", "send"]

Message = dict[str, Any]

_LENGTH = 4  # bytes, big-endian


def send(stream: BinaryIO, message: Message) -> None:
    """Write a message."""
    body = json.dumps(message).encode()
    stream.write(len(body).to_bytes(_LENGTH, "big") + body)
    stream.flush()


def receive(stream: BinaryIO) -> Message | None:
    """Read a message; None where the other side has gone, in the middle of one too."""
    head = stream.read(_LENGTH)
    if len(head) < _LENGTH:
        return None
    size = int.from_bytes(head, "big")
    body = stream.read(size)
    if len(body) < size:
        return None
    message: Message = json.loads(body)
    return message
