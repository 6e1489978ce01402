"""Benchmarks of scalelib: ratios of contenders timed in turn, run by ``make bench``."""
