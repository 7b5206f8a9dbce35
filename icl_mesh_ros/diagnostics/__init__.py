"""Health of nodes and streams, for /diagnostics and the log."""
