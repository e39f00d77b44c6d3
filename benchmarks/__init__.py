"""Benchmarks of fastconv, and the frozen loops that every speed-up is measured against."""
