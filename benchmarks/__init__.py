"""Measured speed. `python -m benchmarks` prints a Markdown table; see docs/performance.md.

What is reported are ratios of one run, whose parts were repeated in turns; absolute times stand
beside them as context. Nothing here asserts a time.
"""
