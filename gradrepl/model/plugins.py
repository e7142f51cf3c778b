"""Plugins, and records that any of them may answer with."""

from __future__ import annotations

from typing import Any

import msgspec

from gradrepl.model.base import Record
from gradrepl.model.data import Finding


class PluginInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One plugin in one process."""

    name: str
    version: str = ""
    origin: str = ""
    """The distribution, or the file, that it came from."""
    side: str = "client"
    """'client' or 'program'."""
    state: str = "loaded"
    """'loaded', 'blocked' or 'disabled'."""
    hooks: tuple[str, ...] = ()
    """Without their 'gradrepl_'."""
    problem: str = ""


class PluginList(Record, frozen=True, kw_only=True):
    """All plugins, of both processes."""

    rows: tuple[PluginInfo, ...] = ()


class Table(Record, frozen=True, kw_only=True):
    """Rows of text under titles: what a plugin's command shows."""

    title: str = ""
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    notes: tuple[str, ...] = ()


class Brought(Record, frozen=True, kw_only=True):
    """A plugin's own record as it crosses the link, for who does not have the plugin."""

    kind: str
    """Its class: 'gradrepl_picture.Dots'."""
    fields: dict[str, Any] = msgspec.field(default_factory=dict)


class Findings(Record, frozen=True, kw_only=True):
    """Diagnoses, the worst first."""

    rows: tuple[Finding, ...] = ()
    looked_at: tuple[str, ...] = ()
    """What was looked at."""
