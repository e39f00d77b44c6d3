"""Evidence: naive against fast, the benchmark suite, other engines, and what a network takes."""
