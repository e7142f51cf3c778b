"""The chain rule: paths, local derivatives, terms of a loss."""
