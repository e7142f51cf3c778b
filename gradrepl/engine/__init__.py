"""The debuggee's half: it runs in the user's process and never draws.

Nothing here may be imported by a client, and nothing here imports rich, textual or prompt_toolkit.
Modules that need torch are imported only once the user's code has imported torch itself.
"""
