"""From a typed line or a key to a request: the table of commands, and the conversation.

``table`` is the table, filled; a plugin's file imports ``registry`` alone, which loads nothing of
it. Nothing in here loads a screen or torch.
"""
