"""Objects and calls that are made from the meanings of parameters, so that nobody has to give an example."""

from fastconv.dropin.making.find import found_by_making, with_made

__all__ = ["found_by_making", "with_made"]
