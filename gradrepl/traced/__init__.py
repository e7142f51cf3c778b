"""What a program or a notebook asks for itself: ``watch()`` and ``trace()``, and how they show.

Both look on in the user's own process, with no face; what they return draws itself.
"""
