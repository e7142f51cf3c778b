"""The session of this process, whoever made it: the command line's debuggee, or a guest."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gradrepl.engine.session import Session

session: Session | None = None
"""The debuggee's that ``gradrepl script.py`` started; None in everybody else's process."""
