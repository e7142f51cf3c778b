"""Stopping: what is asked at each event, and the one place where a stopped thread waits."""
