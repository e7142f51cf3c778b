"""The errors that reach a user: one sentence, and a hint of what to do.

::

    GradreplError
    ├── UsageError            the command line or a typed command cannot be understood
    │   └── ConditionError    a breakpoint's condition cannot be understood
    ├── StateError            understood, but not possible where we stand
    ├── TargetError           a script, module or file that cannot be run
    ├── AutogradError         a backward that cannot start, with the reason
    ├── ConfigError           a setting or a file of settings that cannot be used
    ├── PluginError           a plugin that cannot be loaded or does what it must not
    └── LinkError             the other process is gone or does not speak our language
        └── RefusedError      it did not show the token
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gradrepl.model import Error


class GradreplError(Exception):
    """Base of all errors of ours. ``str(e)`` is one sentence; ``hint`` says what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    def record(self) -> Error:
        """Return it as the record that is shown."""
        from gradrepl.model import Error

        return Error(message=str(self), hint=self.hint, kind=type(self).__name__)


class UsageError(GradreplError):
    """The command line or a typed command cannot be understood."""


class ConditionError(UsageError):
    """A breakpoint's condition cannot be understood."""


class StateError(GradreplError):
    """The command is understood, but not possible where we stand."""


class TargetError(GradreplError):
    """A script, module or file that cannot be run."""


class AutogradError(GradreplError):
    """A backward that cannot start."""


class ConfigError(GradreplError):
    """A setting, or a file of settings, that cannot be used."""


class PluginError(GradreplError):
    """A plugin that cannot be loaded, or does what it must not."""


class LinkError(GradreplError):
    """The other process is gone, or does not speak our language."""


class RefusedError(LinkError):
    """The peer did not show the token of this session."""


class Aborted(BaseException):
    """Raised out of a stop by ``abort``: ends the user's backward or op.

    No ``Exception``, so that a training loop's own ``except Exception`` does not swallow it.
    """


def report(error: BaseException) -> str:
    """Write a log of a bug of ours, without anybody's values; return the line that is shown."""
    import os
    import platform
    import traceback
    from datetime import UTC, datetime

    from platformdirs import user_state_path

    folder = user_state_path("gradrepl") / "crashes"
    now = datetime.now(UTC)
    text = f"gradrepl crashed at {now.isoformat(timespec='seconds')}\n"
    text += f"python {platform.python_version()} on {platform.platform()}\n\n"
    text += "".join(traceback.format_exception(error))
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / f"{now:%Y%m%d-%H%M%S}-{os.getpid()}.txt"
        path.write_text(text, encoding="utf-8")
        where = f"; the details are in {path}"
    except OSError:
        where = ""
    return f"gradrepl: a bug of ours, {type(error).__name__}{where}. Please report it."
