"""Who shares memory with whom, and who wrote to it."""

from __future__ import annotations
