"""The plugins' halves in the debuggee: loaded when they are first needed, and asked."""
