"""Requests to the plugins' halves in the debuggee."""

from __future__ import annotations

from typing import Any

import msgspec

from gradrepl.protocol.running import Request


class UsePlugins(Request, frozen=True, kw_only=True):
    """Which plugins to load besides those that are installed, and which not; loads none yet.

    The debuggee loads them when one of them is asked for something, or when what ``hooks`` look
    on at happens.
    """

    files: tuple[str, ...] = ()
    blocked: tuple[str, ...] = ()
    hooks: tuple[str, ...] = ()
    """Of 'event', 'stop', 'pass', 'batch': those that the plugins of the face have."""


class ListPlugins(Request, frozen=True):
    """The plugins of the debuggee: a PluginList."""


class AskPlugin(Request, frozen=True, kw_only=True):
    """A plugin's own request as it crosses the link; its other half answers it."""

    kind: str
    """Its class: 'gradrepl_picture.AskDots'."""
    fields: dict[str, Any] = msgspec.field(default_factory=dict)


class AskFindings(Request, frozen=True):
    """What is wrong, as far as is seen here: Findings."""
