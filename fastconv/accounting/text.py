"""A summary as strings: for `print`, and for whoever draws it nicer."""

from __future__ import annotations

from collections.abc import Sequence

from fastconv.accounting.results import LayerSummary, Summary

__all__ = ["format_bytes", "format_count", "format_shape", "headers", "layer_cells", "plain_text", "title", "totals"]

LEFT = 3  # columns that are aligned to the left


def format_bytes(size: int) -> str:
    """Three digits, a binary unit, and the exact number where that differs.

    Examples
    --------
    >>> format_bytes(640), format_bytes(12_000_000)
    ('640 B', '11.4 MiB')
    """
    value, unit = float(size), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB", "PiB"):
        if value < 1000:
            break
        value, unit = value / 1024, larger
    return f"{size} B" if unit == "B" else f"{_three_digits(value)} {unit}"


def format_count(number: int) -> str:
    """Three digits and a decimal prefix; small numbers as they are.

    Examples
    --------
    >>> format_count(0), format_count(15_200), format_count(225_000_000)
    ('0', '15,200', '225 M')
    """
    if number < 1_000_000:
        return f"{number:,}"
    value, prefix = float(number), ""
    for larger in ("k", "M", "G", "T", "P"):
        if value < 999.5:
            break
        value, prefix = value / 1000, larger
    return f"{_three_digits(value)} {prefix}"


def _three_digits(value: float) -> str:
    digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
    return f"{value:,.{digits}f}"


def format_shape(shape: tuple[int, ...]) -> str:
    """Sizes with × between them.

    Examples
    --------
    >>> format_shape((8, 3, 32, 32))
    '8×3×32×32'
    """
    return "×".join(map(str, shape))


def title(summary: Summary) -> str:
    """One line about the whole."""
    what = f"training with {summary.optimizer}" if summary.training else "inference"
    return f"{summary.model}, input {format_shape(summary.input_shape)} {summary.dtype}, {what}"


def headers(summary: Summary) -> tuple[str, ...]:
    """Headers of the columns; what is kept for the backward pass is of no interest for inference."""
    kept = ("also kept",) if summary.training else ()
    return ("layer", "kind", "output", "parameters", "multiply-adds", "FLOPs", "activations", *kept, "workspace")


def layer_cells(summary: Summary, layer: LayerSummary) -> tuple[str, ...]:
    """Cells of one layer."""
    return (
        layer.name,
        layer.kind,
        format_shape(layer.output_shape),
        f"{layer.parameters:,}",
        format_count(layer.multiply_adds),
        format_count(layer.flops),
        format_bytes(layer.activation_bytes),
        *((format_bytes(layer.kept_bytes),) if summary.training else ()),
        format_bytes(layer.workspace_bytes),
    )


def totals(summary: Summary) -> list[tuple[str, str, str]]:
    """(what, in short, exactly) for each line below the table."""
    frozen = f" ({summary.frozen_parameters:,} frozen)" if summary.frozen_parameters else ""
    lines: list[tuple[str, str, str]] = [
        ("parameters", f"{summary.parameters:,}{frozen}", ""),
        ("multiply-adds of a forward pass", format_count(summary.multiply_adds), f"{summary.multiply_adds:,}"),
        ("FLOPs of a forward pass", format_count(summary.flops), f"{summary.flops:,}"),
    ]
    memory = [("parameters", summary.parameter_bytes), ("buffers", summary.buffer_bytes)]
    if summary.training:
        memory += [
            ("gradients", summary.gradient_bytes),
            (f"state of {summary.optimizer}", summary.optimizer_bytes),
            ("kept for the backward pass, with batch and output", summary.training_activation_bytes),
            ("workspace", summary.workspace_bytes),
            (f"peak of a training step ({summary.peak_training_at})", summary.peak_training_bytes),
        ]
    else:
        memory += [
            ("batch", summary.input_bytes),
            ("two consecutive layers at most", summary.inference_activation_bytes),
            ("workspace", summary.inference_workspace_bytes),
            (f"peak of a forward pass ({summary.peak_inference_at})", summary.peak_inference_bytes),
        ]
    lines += [(f"memory: {what}", format_bytes(nbytes), f"{nbytes:,} bytes") for what, nbytes in memory]
    return lines


def plain_text(summary: Summary) -> str:
    """Aligned columns, and the totals below them.

    Parameters
    ----------
    summary : Summary
        What to write.

    Returns
    -------
    str
        Lines without colours.
    """
    rows = [headers(summary), *(layer_cells(summary, layer) for layer in summary.layers)]
    lines = [title(summary), "", *_aligned(rows, LEFT), ""]
    return "\n".join(lines + _aligned(totals(summary), 1))


def _aligned(rows: Sequence[tuple[str, ...]], left: int) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows)]
    return [
        "  ".join(
            cell.ljust(width) if i < left else cell.rjust(width) for i, (cell, width) in enumerate(zip(row, widths))
        ).rstrip()
        for row in rows
    ]
