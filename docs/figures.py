"""Draw the figures of the page on the mathematics: ``python docs/figures.py`` writes them into ``docs/_static``."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent / "_static"
CELL = 34
INK, LINE, PAPER = "#1c2736", "#b8c2d0", "#ffffff"
BLUE, ORANGE, GREEN, GREY = "#d6e4fb", "#fbe0c6", "#d9f0df", "#eef1f5"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif"


class Figure:
    """An SVG picture that grows to what is put into it."""

    def __init__(self, title: str, text: str) -> None:
        self.title, self.text = title, text
        self.items: list[str] = []
        self.width = self.height = 0.0

    def _reach(self, x: float, y: float) -> None:
        self.width, self.height = max(self.width, x), max(self.height, y)

    def grid(self, x: float, y: float, cells: list[list[str]], colours: dict[tuple[int, int], str], label: str) -> None:
        """Draw a matrix of cells, with a label above it."""
        self.words(x + len(cells[0]) * CELL / 2, y - 10, label, size=14, bold=True)
        for i, row in enumerate(cells):
            for j, entry in enumerate(row):
                left, top = x + j * CELL, y + i * CELL
                colour = colours.get((i, j), PAPER)
                self.items.append(
                    f'<rect x="{left}" y="{top}" width="{CELL}" height="{CELL}" fill="{colour}" stroke="{LINE}"/>'
                )
                if entry:
                    self.words(left + CELL / 2, top + CELL / 2 + 5, entry, size=14)
        self._reach(x + len(cells[0]) * CELL, y + len(cells) * CELL)

    def words(self, x: float, y: float, text: str, size: int = 14, bold: bool = False) -> None:
        """Write a line, centred."""
        weight = "600" if bold else "400"
        self.items.append(
            f'<text x="{x}" y="{y}" font-size="{size}" font-weight="{weight}" fill="{INK}" '
            f'text-anchor="middle">{text}</text>'
        )
        self._reach(x + 4 * len(text), y + 6)

    def save(self, name: str) -> None:
        """Write the picture."""
        width, height = self.width + 20, self.height + 16
        body = "\n  ".join(self.items)
        (FOLDER / name).write_text(
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" '
            f'viewBox="0 0 {width:g} {height:g}" role="img" '
            f'aria-labelledby="title desc" font-family="{FONT}">\n'
            f'  <title id="title">{self.title}</title>\n  <desc id="desc">{self.text}</desc>\n'
            f'  <rect width="{width:g}" height="{height:g}" rx="12" fill="#f7f9fc"/>\n  {body}\n</svg>\n',
            encoding="utf-8",
        )


def named(letter: str, rows: int, columns: int) -> list[list[str]]:
    """Cells x11, x12, ... of a matrix."""
    return [[f"{letter}{i + 1}{j + 1}" for j in range(columns)] for i in range(rows)]


def area(rows: range, columns: range, colour: str) -> dict[tuple[int, int], str]:
    """Colour for a rectangle of cells."""
    return {(i, j): colour for i in rows for j in columns}


def forward() -> None:
    """A window of the input times the filter is one output."""
    figure = Figure(
        "Forward pass", "A 2 by 2 window of a 3 by 4 input, times a 2 by 2 filter, gives one of 2 by 3 outputs."
    )
    figure.grid(20, 50, named("x", 3, 4), area(range(2), range(1, 3), BLUE), "input x")
    figure.words(180, 105, "⋆", size=22)
    figure.grid(205, 67, named("w", 2, 2), area(range(2), range(2), ORANGE), "filter w")
    figure.words(297, 105, "=", size=22)
    figure.grid(320, 67, named("y", 2, 3), {(0, 1): GREEN}, "output y")
    figure.words(220, 178, "y12 = x12·w11 + x13·w12 + x22·w21 + x23·w22 + b")
    figure.save("math_forward.svg")


def columns() -> None:
    """Windows written as columns: the product of two matrices."""
    figure = Figure(
        "im2col",
        "The six windows of the input are the columns of a matrix; the filter is a row; their product is the output.",
    )
    windows = [(i, j) for i in range(2) for j in range(3)]
    cells = [[f"x{i + a + 1}{j + b + 1}" for i, j in windows] for a in range(2) for b in range(2)]
    figure.grid(20, 90, [["w11", "w12", "w21", "w22"]], area(range(1), range(4), ORANGE), "filter, a row")
    figure.words(178, 113, "·", size=22)
    figure.grid(200, 50, cells, area(range(4), range(1, 2), BLUE), "im2col(x): a column for every window")
    figure.words(424, 113, "=", size=22)
    figure.grid(445, 90, [["y11", "y12", "y13", "y21", "y22", "y23"]], {(0, 1): GREEN}, "output, a row")
    figure.save("math_columns.svg")


def input_gradient() -> None:
    """Gradient of the input: a full convolution with the filter turned by 180 degrees."""
    figure = Figure(
        "Gradient of the input",
        "The padded gradient of the output, convolved with the turned filter, is the gradient of the input.",
    )
    padded = [["0"] * 5, ["0", "g11", "g12", "g13", "0"], ["0", "g21", "g22", "g23", "0"], ["0"] * 5]
    inner = {**area(range(4), range(5), GREY), **area(range(1, 3), range(1, 4), PAPER)}
    figure.grid(20, 50, padded, {**inner, **area(range(1, 3), range(1, 3), BLUE)}, "dy, zeros around it")
    figure.words(212, 122, "⋆", size=22)
    figure.grid(235, 84, [["w22", "w21"], ["w12", "w11"]], area(range(2), range(2), ORANGE), "w, turned")
    figure.words(326, 122, "=", size=22)
    figure.grid(350, 67, named("d", 3, 4), {(1, 1): GREEN}, "dx")
    figure.words(250, 212, "d22 = g11·w22 + g12·w21 + g21·w12 + g22·w11")
    figure.save("math_input_gradient.svg")


def stride() -> None:
    """A stride in the forward pass puts zeros between the gradients in the backward pass."""
    figure = Figure(
        "Stride", "With a stride of 2 the gradients of the output stand two cells apart, with zeros between them."
    )
    spread = [["g11", "0", "g12"], ["0", "0", "0"], ["g21", "0", "g22"]]
    colours = area(range(3), range(3), GREY)
    for i in (0, 2):
        for j in (0, 2):
            colours[i, j] = BLUE
    figure.grid(20, 67, named("g", 2, 2), area(range(2), range(2), BLUE), "dy, stride 2")
    figure.words(130, 105, "→", size=22)
    figure.grid(165, 50, spread, colours, "as if of stride 1")
    figure.save("math_stride.svg")


def pooling() -> None:
    """Max pooling sends a gradient to the winner, average pooling spreads it."""
    figure = Figure(
        "Pooling",
        "Max pooling sends a gradient to the largest element of its window, average pooling spreads it.",
    )
    x = [["6", "2", "1", "3"], ["0", "5", "4", "2"]]
    figure.grid(20, 50, x, {(0, 0): ORANGE, (1, 2): ORANGE}, "x, windows of 2×2")
    figure.grid(190, 67, [["6", "4"]], area(range(1), range(2), GREEN), "max")
    figure.grid(290, 67, [["g1", "g2"]], area(range(1), range(2), BLUE), "dy")
    sent = [["g1", "0", "0", "0"], ["0", "0", "g2", "0"]]
    figure.grid(395, 50, sent, {(0, 0): ORANGE, (1, 2): ORANGE}, "dx of max pooling")
    spread = [["g1/4", "g1/4", "g2/4", "g2/4"]] * 2
    figure.grid(570, 50, spread, area(range(2), range(4), BLUE), "dx of average pooling")
    figure.save("math_pooling.svg")


if __name__ == "__main__":
    for draw in (forward, columns, input_gradient, stride, pooling):
        draw()
