"""Which plugins are wanted: known before torch is there, and without loading one."""

from __future__ import annotations

from gradrepl import protocol as p
from gradrepl.engine.answers import Answer, on
from gradrepl.engine.plugged.observers import Plugged
from gradrepl.engine.session import Session
from gradrepl.engine.stopping.gate import Place
from gradrepl.model import PluginList


@on(p.UsePlugins)
def _(request: p.UsePlugins, session: Session, place: Place) -> Answer:
    session.state(Plugged).want(request)
    return None


@on(p.ListPlugins)
def _(request: p.ListPlugins, session: Session, place: Place) -> Answer:
    return PluginList(rows=tuple(session.state(Plugged).plugins.rows.values()))
