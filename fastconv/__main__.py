"""Entry point of the ``fastconv`` command and of ``python -m fastconv``.

The command line is an extra. Without it this module says in one line what to install and exits with code 1
(2 is kept for wrong usage, as everywhere on a command line).
"""

import sys

CLI_PACKAGES = ("typer", "rich", "click")
MISSING_EXTRA = 1


def main() -> int:
    """Run the command line, or say which extra it needs.

    Returns
    -------
    int
        The exit code: 1 where the extra ``cli`` is not installed, otherwise what the command line returns.
    """
    try:
        from fastconv.cli import main as run
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in CLI_PACKAGES:
            raise
        print(
            f'fastconv: the command line needs the extra "cli" ({missing} is not installed); '
            'install it with: python -m pip install "fastconv[cli]"',
            file=sys.stderr,
        )
        return MISSING_EXTRA
    return int(run() or 0)


if __name__ == "__main__":
    sys.exit(main())
