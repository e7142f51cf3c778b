"""``gradrepl --listen script.py``: the script as Python would run it, and clients may attach."""

from __future__ import annotations

from gradrepl.engine.boundary import Quitting
from gradrepl.engine.code import script, torch_import
from gradrepl.engine.code.patches import hidden
from gradrepl.errors import GradreplError, LinkError
from gradrepl.guest.clients import own_name
from gradrepl.guest.host import Host


@hidden
def main() -> int:
    """Run the script; return its exit code."""
    setup = script.begin("GRADREPL_LISTEN")
    if setup["eager"]:
        torch_import.force_eager()
    host = Host.get()
    waits = setup["wait"]
    try:
        try:
            host.listen(setup["address"], setup["target"])
            host.say(f"listening: 'gradrepl attach {own_name()}' stops this program and looks.")
        except LinkError as error:
            waits = False
            host.say(f"nobody can attach, the program runs: {error}")
        if waits:
            host.has_come.wait()
        arguments = tuple(setup["args"])
        script.run(host.session, setup["target"], arguments, module=setup["module"], stopped=waits)
    except GradreplError as error:
        host.say(str(error))
        return 2
    except Quitting:
        pass
    return host.session.exit_code
