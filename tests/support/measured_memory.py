"""A program that measures, from outside, what loops of training and of prediction take at their peak.

It is given JSON: the instrument, what a step holds beside, and for each case ``(make, image, batch, dtype, works)``,
where `make` is an expression for the network. It prints JSON: for each case, work -> (bytes at the peak, bytes that
were predicted).

The loops are as people write them: names hold the batch, the scores and their gradient until new ones take their
places, and a forward pass outside of training is one call.
"""

import contextlib
import ctypes
import gc
import json
import sys
import tracemalloc

import numpy as np

import fastconv as fc
from fastconv import models  # noqa: F401
from fastconv.backends.fast.memory.workspace import release
from fastconv.layers import *  # noqa: F403
from fastconv.layers import inference_mode
from fastconv.optim import Adam

HELD = "None"  # what a step holds beside, for a test of this program


def memory(name):
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name + ":"))


class Traced:
    """What NumPy allocates."""

    def start(self):
        tracemalloc.start()

    def reset(self):
        tracemalloc.reset_peak()

    def peak(self):
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found


class Resident:
    """What the process has in memory, as the system says."""

    def start(self):
        self.before = memory("VmRSS")

    def reset(self):
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")

    def peak(self):
        return memory("VmHWM") - self.before


def steps(work, make, shape, dtype, count, reset):
    """A loop of so many steps; `reset` is called before the last one."""
    model = eval(make)
    if work == "infer":
        model.eval()
    optimizer = Adam(model.parameters())
    for number in range(count):
        if number == count - 1:
            reset()
        x = np.random.default_rng(0).standard_normal(shape, dtype=np.float32).astype(dtype, copy=False)
        if work == "infer":
            with inference_mode():
                model(x)
            del x
            continue
        optimizer.zero_grad()
        scores = model(x)
        kept = eval(HELD, {"model": model, "x": x})  # noqa: F841  (without names of its own it would hold them all)
        dy = scores * scores.dtype.type(1e-3)
        model.backward(dy, input_gradient=False)
        optimizer.step()


def peak_of(work, make, shape, dtype, instrument):
    steps(work, make, shape, dtype, 1, bool)  # compiles, which takes minutes where every allocation is noted
    release()
    gc.collect()
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    instrument.start()
    steps(work, make, shape, dtype, 3, instrument.reset)  # the steady state: what the step before kept is still there
    return instrument.peak()


def main(question):
    global HELD
    name, held, cases = json.loads(question)
    HELD = held or HELD
    instrument = {"tracemalloc": Traced, "rss": Resident}[name]()
    answers = []
    fc.set_num_threads(1)
    for make, image, batch, dtype, works in cases:
        found = fc.summary(eval(make), image, batch=batch, dtype=dtype, optimizer="adam")
        predicted = {"train": found.peak_training_bytes, "infer": found.peak_inference_bytes}
        shape = (batch, *image)
        answers.append({work: (peak_of(work, make, shape, dtype, instrument), predicted[work]) for work in works})
    print(json.dumps(answers))


if __name__ == "__main__":
    main(sys.argv[1])
