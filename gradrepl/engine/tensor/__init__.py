"""What one tensor is: its facts, figures, name and hooks, and how it compares with another."""
