"""Measured speed. `python -m benchmarks` prints a Markdown table; see docs/performance.md.

Reports give ratios within one run, whose cases alternate in random order, and absolute times as
context. Nothing here asserts a time.
"""
