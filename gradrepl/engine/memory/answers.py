"""Answers about: who shares memory with whom, and who wrote to it."""
