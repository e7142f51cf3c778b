"""The line client: a prompt on the terminal, and lines from standard input without one."""
