"""The forward as it runs: recorded calls, what flows between them, which module they are in."""
