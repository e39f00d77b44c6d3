"""Run the examples, and keep what they print and draw for the page of the gallery.

    python docs/gallery.py                              # all but the one on CIFAR-10
    python docs/gallery.py --cifar10 cifar10.zip        # that one too
    python docs/gallery.py tanh_network line_filters    # these

Outputs in the documentation are generated, never typed.
"""

from __future__ import annotations

import argparse
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path

DOCS = Path(__file__).parent
EXAMPLES, TEXTS, PICTURES = DOCS.parent / "examples", DOCS / "generated", DOCS / "_static"
ON_CIFAR10 = "cs231n_solver"
ARGUMENTS: dict[str, tuple[str, ...]] = {
    "tutorial_by_hand": (),
    "accelerate_loops": (),
    "tanh_network": (),
    "line_filters": ("line_filters.png",),
    "onnx_digits": ("digits.png",),
    ON_CIFAR10: ("--data",),
}
COLOURS = 256  # of the photographs and their maps, so that the file stays under 200 KB


def run(name: str, arguments: tuple[str, ...], shown: str, folder: Path) -> None:
    """Run an example in a folder, and write the command with what it printed."""
    command = [sys.executable, str(EXAMPLES / f"{name}.py"), *arguments]
    output = subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, text=True).stdout
    text = f"$ {' '.join(['python', f'examples/{name}.py', shown]).strip()}\n{output.rstrip()}\n"
    (TEXTS / f"gallery_{name}.txt").write_text(text, encoding="utf-8")


def keep_picture(file: Path) -> None:
    """Store a picture with few colours."""
    from PIL import Image

    with Image.open(file) as picture:
        picture.convert("RGB").quantize(COLOURS).save(PICTURES / file.name, optimize=True)


def draw_costs() -> None:
    """Draw the cost of the tanh network over its rounds."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    costs = runpy.run_path(str(EXAMPLES / "tanh_network.py"))["train"]().costs
    figure = Figure(figsize=(6.4, 2.6), layout="constrained")
    axes = figure.subplots()
    axes.plot(costs)
    axes.set_xlabel("rounds over the four images")
    axes.set_ylabel("cost")
    axes.set_xlim(0, len(costs) - 1)
    axes.set_ylim(0)
    axes.grid(alpha=0.3)
    with mpl.rc_context({"svg.hashsalt": "fastconv"}):  # the same bytes every time
        figure.savefig(PICTURES / "tanh_cost.svg", metadata={"Date": None})


def main() -> None:
    """Run what was named, or all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(ARGUMENTS))
    parser.add_argument("--cifar10", type=Path, metavar="PATH", help=f"CIFAR-10 for {ON_CIFAR10}")
    options = parser.parse_args()
    if unknown := set(options.names) - set(ARGUMENTS):
        parser.error(f"there is no example {', '.join(sorted(unknown))}")
    for name in options.names or ARGUMENTS:
        arguments = ARGUMENTS[name]
        shown = " ".join(arguments)
        if name == ON_CIFAR10:
            if options.cifar10 is None:
                print(f"{name}: left as it is; give --cifar10")
                continue
            arguments, shown = (*arguments, str(options.cifar10.absolute())), f"{shown} {options.cifar10.name}"
        with tempfile.TemporaryDirectory() as folder:
            run(name, arguments, shown, Path(folder))
            for picture in Path(folder).glob("*.png"):
                keep_picture(picture)
        if name == "tanh_network":
            draw_costs()
        print(f"{name}: written")


if __name__ == "__main__":
    main()
