"""The panels: siblings of one small base, pure drawings of records."""
