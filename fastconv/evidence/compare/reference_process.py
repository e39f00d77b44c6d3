"""The program of the process beside the one that compares: one task at a time, from a file and into a file."""

from __future__ import annotations

import pickle
from pathlib import Path

from fastconv.evidence.compare.reference import reference_of
from fastconv.evidence.compare.references import call_first
from fastconv.evidence.process import Message, answer_messages

_TASKS = {"reference": reference_of, "first calls": call_first}


def _answer(message: Message) -> Message:
    name, make, settings = pickle.loads(Path(message["question"]).read_bytes())
    Path(message["answer"]).write_bytes(pickle.dumps(_TASKS[name](make(), settings)))
    return {}


if __name__ == "__main__":
    answer_messages(_answer)
