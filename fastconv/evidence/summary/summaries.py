"""The summary of a network: plain integers, exact to the byte."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fastconv.report import Record, Report, Table, format_bytes, format_count
from fastconv.report.table import aligned
from fastconv.report.words import format_shape


@dataclass(frozen=True)
class LayerSummary:
    """One layer, for the batch of the summary.

    Attributes
    ----------
    name : str
        Where it is, as in a state dict: ``"layer1.0.conv1"``.
    kind : str
        Its class.
    output_shape : tuple of int
        Shape of the output, batch included.
    parameters, trainable_parameters : int
        Numbers of its own parameters.
    multiply_adds : int
        Multiply-adds of a forward pass; padding counts, as in every published figure.
    flops : int
        Floating-point operations of a forward pass: two for a multiply-add, one for every other operation.
    activation_bytes : int
        Bytes of the output; 0 where it is a view of the input.
    kept_bytes : int
        Bytes kept for the backward pass beyond the input and the output, such as the positions of maxima.
    workspace_bytes : int
        Scratch memory of the fast backend in a training step, or in a forward pass where the summary is of inference.
    """

    name: str
    kind: str
    output_shape: tuple[int, ...]
    parameters: int
    trainable_parameters: int
    multiply_adds: int
    flops: int
    activation_bytes: int
    kept_bytes: int
    workspace_bytes: int


@dataclass(frozen=True, repr=False)
class Summary(Record):
    """What a network computes and takes, for one shape of input and one dtype.

    ``str()`` is a table. Everything is in bytes, exactly; `max_workspace` and the number of threads are those in force
    when the summary was made.

    Attributes
    ----------
    model : str
        Name of the network.
    input_shape : tuple of int
        Shape of the input, batch included.
    dtype : str
        Of parameters and activations.
    optimizer : str
        Whose state is counted.
    training : bool
        Whether the table is about training or about inference; the totals have both.
    threads : int
        Threads of the fast backend: each has scratch memory of its own.
    layers : tuple of LayerSummary
        In the order of the forward pass.
    parameters, trainable_parameters : int
        Numbers, shared ones counted once.
    multiply_adds, flops : int
        Of one forward pass.
    parameter_bytes, gradient_bytes, optimizer_bytes, buffer_bytes : int
        Bytes of the parameters, of the gradients of the trainable ones, of the state of the optimiser, and of state
        that is not trained, such as running statistics.
    input_bytes : int
        Bytes of the batch.
    activation_bytes : int
        Bytes of the outputs of all layers.
    inference_activation_bytes : int
        Input and output of the layer where both are largest, with whatever a branch holds beside them.
    training_activation_bytes : int
        Everything that is kept for the backward pass: batch, activations, positions of maxima, output.
    workspace_bytes, inference_workspace_bytes : int
        Scratch memory of the fast backend, which the layers share.
    peak_training_bytes, peak_inference_bytes : int
        The most that is alive at any moment of a training step, and of a forward pass.
    peak_training_at, peak_inference_at : str
        When that is.
    program_arena_bytes, peak_program_bytes : int or None
        Of the program that `fastconv.compile` makes of it, for training or inference as `training` says: memory for
        everything that changes from layer to layer, and all that is alive when it runs. None where it was not planned.
    """

    model: str
    input_shape: tuple[int, ...]
    dtype: str
    optimizer: str
    training: bool
    threads: int
    layers: tuple[LayerSummary, ...]
    parameters: int
    trainable_parameters: int
    multiply_adds: int
    flops: int
    parameter_bytes: int
    gradient_bytes: int
    optimizer_bytes: int
    buffer_bytes: int
    input_bytes: int
    activation_bytes: int
    inference_activation_bytes: int
    training_activation_bytes: int
    workspace_bytes: int
    inference_workspace_bytes: int
    peak_training_bytes: int
    peak_inference_bytes: int
    peak_training_at: str
    peak_inference_at: str
    program_arena_bytes: int | None = None
    peak_program_bytes: int | None = None

    DERIVED = ("frozen_parameters",)

    @property
    def frozen_parameters(self) -> int:
        """Parameters that are not trained."""
        return self.parameters - self.trainable_parameters

    def report(self) -> Report:
        """Return a line for each layer, and the totals below them."""
        what = f"training with {self.optimizer}" if self.training else "inference"
        title = f"{self.model}, input {format_shape(self.input_shape)} {self.dtype}, {what}"
        # what is kept for the backward pass is of no interest for inference
        kept = ("also kept",) if self.training else ()
        headers = ("layer", "kind", "output", "parameters", "multiply-adds", "FLOPs", "activations", *kept, "workspace")
        rows = tuple(self._layer_cells(layer) for layer in self.layers)
        totals = Table("", ("total", "", "exactly"), (*self._totals(), *self._memory()), 1)
        spare = ("FLOPs", "workspace", *kept, "kind", "activations")
        return Report((Table(title, headers, rows, 3, spare), totals))

    def __str__(self) -> str:
        layers, totals = self.report().tables
        lines = [layers.title, "", *aligned([layers.headers, *layers.rows], layers.left), ""]
        return "\n".join([*lines, *aligned(totals.rows, totals.left)])

    def _layer_cells(self, layer: LayerSummary) -> tuple[str, ...]:
        return (
            layer.name,
            layer.kind,
            format_shape(layer.output_shape),
            f"{layer.parameters:,}",
            format_count(layer.multiply_adds),
            format_count(layer.flops),
            format_bytes(layer.activation_bytes),
            *((format_bytes(layer.kept_bytes),) if self.training else ()),
            format_bytes(layer.workspace_bytes),
        )

    def _totals(self) -> Iterator[tuple[str, str, str]]:
        """(what, in short, exactly) of the numbers that are no bytes."""
        frozen = f" ({self.frozen_parameters:,} frozen)" if self.frozen_parameters else ""
        yield "parameters", f"{self.parameters:,}{frozen}", ""
        yield "multiply-adds of a forward pass", format_count(self.multiply_adds), f"{self.multiply_adds:,}"
        yield "FLOPs of a forward pass", format_count(self.flops), f"{self.flops:,}"

    def _memory(self) -> Iterator[tuple[str, str, str]]:
        """Give the same of the bytes."""
        memory = [("parameters", self.parameter_bytes), ("buffers", self.buffer_bytes)]
        if self.training:
            memory += [
                ("gradients", self.gradient_bytes),
                (f"state of {self.optimizer}", self.optimizer_bytes),
                ("kept for the backward pass, with batch and output", self.training_activation_bytes),
                ("workspace", self.workspace_bytes),
                (f"peak of a training step ({self.peak_training_at})", self.peak_training_bytes),
            ]
        else:
            memory += [
                ("batch", self.input_bytes),
                ("two consecutive layers at most", self.inference_activation_bytes),
                ("workspace", self.inference_workspace_bytes),
                (f"peak of a forward pass ({self.peak_inference_at})", self.peak_inference_bytes),
            ]
        if self.program_arena_bytes is not None and self.peak_program_bytes is not None:
            memory += [("arena of a program", self.program_arena_bytes), ("peak of a program", self.peak_program_bytes)]
        for what, nbytes in memory:
            yield f"memory: {what}", format_bytes(nbytes), f"{nbytes:,} bytes"
