"""The debuggee's start: take its end of the link, then serve at the bottom of the main thread."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from typing import Any

from gradrepl import protocol
from gradrepl.engine import debuggee
from gradrepl.engine.boundary import Part, Quitting
from gradrepl.engine.code import patches, script, torch_import
from gradrepl.engine.code.patches import hidden
from gradrepl.engine.session import Session
from gradrepl.engine.stopping.gate import Place
from gradrepl.engine.stopping.interrupts import Interrupts
from gradrepl.errors import LinkError
from gradrepl.guard import await_done
from gradrepl.link import BlockingLink, leave_signals

_gone = threading.Lock()
"""Taken, for good, when the client is gone."""


@hidden
def main() -> int:
    """Run the debuggee; return the script's exit code."""
    setup = script.begin("GRADREPL_DEBUGGEE")
    os.set_inheritable(setup["link"], False)
    link = BlockingLink(socket.socket(fileno=setup["link"]))
    session = Session.current = debuggee.begin(link)
    session.from_command_line = True
    interrupts = Interrupts(session)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # forgets what was pressed while we started
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    interrupts.install()
    if setup["stdin"] == "asked":
        script.share_input(lambda: session.send(protocol.Input()))
        script.output_by_lines()
    elif setup["stdin"] == "lines":
        script.share_input(lambda: None)
    reader = threading.Thread(
        target=_listen, args=(session, link, interrupts, setup), name="gradrepl", daemon=True
    )
    link.on_broken = lambda: _client_gone(session, interrupts, setup, "it is closed")
    os.register_at_fork(after_in_child=lambda: _forked(session, link))
    patches.hide_fork_warning()
    reader.start()
    if setup.get("eager"):
        torch_import.force_eager()
    if setup.get("warm"):
        session.warm_up()
    try:
        session.gate.serve(Place("idle"))
    except Quitting:
        pass
    finally:
        session.gate.detached = True
        interrupts.leave(ends=True)
        session.leave()
        link.close()
    return session.exit_code


def _listen(
    session: Session, link: BlockingLink, interrupts: Interrupts, setup: dict[str, Any]
) -> None:
    """The link thread: hand requests to whoever is parked, answer at once what can be."""
    leave_signals()
    why, leaving = "it is closed", False
    while True:
        try:
            message = link.receive()
        except LinkError as error:
            message, why = None, str(error).removesuffix(".")
        if message is None:
            break
        if not isinstance(message, protocol.Ask):
            continue
        if isinstance(message.request, protocol.Pause):
            interrupts.pause()
            session.send(protocol.Answer(id=message.id))
        elif (record := debuggee.at_once(message.request, session)) is not None:
            session.send(protocol.Answer(id=message.id, record=record))  # type: ignore[arg-type]
        else:
            leaving = leaving or isinstance(message.request, protocol.Quit)
            session.gate.put(message)
    _client_gone(session, interrupts, setup, "" if leaving else why)


def _client_gone(session: Session, interrupts: Interrupts, setup: dict[str, Any], why: str) -> None:
    """Let the user's code run on without us: first disarm, so that who is parked finds it so."""
    if _gone.acquire(blocking=False):  # the link's two ends may both have found out
        await_done(setup["guard"])
        script.fall_back(setup["keep"], setup["fallback"])
        session.client_gone()
        interrupts.leave()
        if why and session.running_script:
            script.say(f"the client is gone ({why}): the program continues, with no stop.")
        session.gate.detach()


def _forked(session: Session, link: BlockingLink) -> None:
    """In a forked child: it has no link, no hooks, and never stops."""
    session.gate.detached = True
    with Part("closing the link in a forked child"):
        link.drop()
    with Part("leaving a forked child alone"):
        session.forked()


if __name__ == "__main__":
    sys.exit(main())
