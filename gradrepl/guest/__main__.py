"""``gradrepl --listen script.py``: the script as Python would run it, and clients may attach."""

from __future__ import annotations

import json
import os
import sys
from types import ModuleType

from gradrepl.engine.code import frames, script
from gradrepl.engine.forward import compiled
from gradrepl.engine.stopping.gate import Quitting
from gradrepl.errors import GradreplError
from gradrepl.guest.host import Host
from gradrepl.guest.listener import own_name

VARIABLE = "GRADREPL_LISTEN"
"""The environment variable that says what to run, as JSON; it is removed at once."""


def main() -> int:
    """Run the script; return its exit code."""
    frames.mark_ours(sys._getframe(1).f_code)
    setup = json.loads(os.environ.pop(VARIABLE))
    sys.path.insert(0, "")
    sys.argv[:] = [""]
    namespace = ModuleType("__main__")
    sys.modules["__main__"] = namespace
    namespace.__dict__["__builtins__"] = sys.modules["builtins"]
    if setup["eager"]:
        compiled.force_eager()
    host = Host.get()
    try:
        host.listen(setup["address"], setup["target"])
        host.say(f"listening: 'gradrepl attach {own_name()}' stops this program and looks.")
        if setup["wait"]:
            host.await_client()
        arguments = tuple(setup["args"])
        script.run(
            host.session, setup["target"], arguments, module=setup["module"], stopped=setup["wait"]
        )
    except GradreplError as error:
        host.say(str(error))
        return 2
    except Quitting:
        pass
    return host.session.exit_code
