"""Metrics, evaluation, reports and plots."""
