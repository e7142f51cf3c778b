"""The line face: a prompt on the terminal, and lines from standard input without one."""
