"""``gradrepl --listen script.py``: the script as Python would run it, and faces may attach."""

from __future__ import annotations

import json
import os
import sys
from types import ModuleType

from gradrepl.engine.code import frames, script
from gradrepl.engine.forward import compiled
from gradrepl.engine.stopping.gate import Quitting
from gradrepl.errors import GradreplError
from gradrepl.guest.door import own_name
from gradrepl.guest.home import Home

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
    home = Home.get()
    try:
        home.listen(setup["address"], setup["target"])
        home.say(f"listening: 'gradrepl attach {own_name()}' stops this program and looks.")
        if setup["wait"]:
            home.await_face()
        script.run(
            home.session, setup["target"], tuple(setup["args"]),
            module=setup["module"], stopped=setup["wait"],
        )  # fmt: skip
    except GradreplError as error:
        home.say(str(error))
        return 2
    except Quitting:
        pass
    return home.session.exit_code
