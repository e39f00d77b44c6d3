"""The program of the process that computes references: one problem at a time, from a file and into a file."""

from __future__ import annotations

import pickle
from pathlib import Path

from fastconv.evidence.compare.reference import reference_of
from fastconv.evidence.process import Message, answer_messages


def _answer(message: Message) -> Message:
    make, settings = pickle.loads(Path(message["question"]).read_bytes())
    Path(message["answer"]).write_bytes(pickle.dumps(reference_of(make(), settings)))
    return {}


if __name__ == "__main__":
    answer_messages(_answer)
