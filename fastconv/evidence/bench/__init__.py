"""The benchmark suite: what is timed, how it is checked before, and what is made of the JSON afterwards.

The bench files themselves, which pytest runs, are in `benchmarks/` of the checkout and travel with the package.
"""
