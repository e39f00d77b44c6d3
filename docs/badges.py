"""Draw the badges of the README into ``docs/_static``, from what ``pyproject.toml`` says.

    pip install anybadge && python docs/badges.py

Files in place of a service, so that the page fetches nothing from elsewhere.
"""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
COLOUR = "#1f5f99"


def texts() -> dict[str, str]:
    """What each badge says to the right of its name."""
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    pythons = re.findall(r'"Programming Language :: Python :: (3\.\d+)"', project)
    (needed,) = re.findall(r"^dependencies = \[(.*)\]$", project, re.MULTILINE)
    (licence,) = re.findall(r'^license = "(.*)"$', project, re.MULTILINE)
    return {
        "python": f"{pythons[0]} to {pythons[-1]}",
        "needs": " and ".join(re.findall(r'"(\w+)>=', needed)),
        "licence": licence,
    }


def file_of(name: str) -> Path:
    """Where the badge of that name is."""
    return ROOT / "docs" / "_static" / f"badge-{name}.svg"


if __name__ == "__main__":
    from anybadge import Badge

    for name, text in texts().items():
        Badge(name, text, default_color=COLOUR).write_badge(str(file_of(name)), overwrite=True)
