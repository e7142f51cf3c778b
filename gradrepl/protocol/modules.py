"""Modules, Functions, and what is known of one tensor."""

from __future__ import annotations
