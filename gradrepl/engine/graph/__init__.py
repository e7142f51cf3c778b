"""The autograd graph: walked, recorded while a backward runs it, shown as rows."""
