"""The chain rule: paths, local derivatives, terms of a loss."""

from __future__ import annotations
