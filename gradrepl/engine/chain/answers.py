"""The answers about the chain rule: each stands with what it tells."""

from gradrepl.engine.chain import paths, rule, terms, verify

__all__ = ["paths", "rule", "terms", "verify"]
