"""Log lines that repeat, and failures that nobody handled."""
