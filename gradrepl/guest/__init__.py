"""gradrepl as a guest: the engine in a process that the user started.

``set_trace()`` brings in the engine's session, lends the terminal to a client that is a child of
this process, and takes it back when the program continues; ``listen()`` lets clients attach from
other terminals. Between stops, with nothing armed, nothing of ours is in the user's way.
"""

from collections.abc import Callable

before_lending: list[Callable[[], None]] = []
after_lending: list[Callable[[], None]] = []
"""Called around a client's time on the terminal: who captures output steps aside for it."""
