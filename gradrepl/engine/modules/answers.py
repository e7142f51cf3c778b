"""Answers about: modules, Functions, and what is known of one tensor."""
