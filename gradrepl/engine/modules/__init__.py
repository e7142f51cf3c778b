"""Modules, Functions, and what is known of one tensor."""
