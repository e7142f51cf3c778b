"""A conversation that answers requests of ``:export`` from rows made by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from gradrepl import model, protocol
from gradrepl.export.files import Graph


class Talking:
    """Stands for ``gradrepl.commands.conversation.Conversation``."""

    def __init__(
        self, found: Graph | None = None, error: model.Record | None = None, total: int = 0
    ) -> None:
        self.found, self.error, self.total = found, error, total
        self.asked: list[Any] = []
        self.told: list[model.Record] = []
        self.on_shot: Callable[[], Any] | None = None
        self.state = "idle"
        self.prompt = None

    async def ask(self, request: Any) -> model.Record | None:
        self.asked.append(request)
        if self.error is not None:
            return self.error
        assert self.found is not None
        if isinstance(request, protocol.Take):
            return replace(self.found.about, total=self.total or len(self.found.nodes))
        rows = tuple(self.found.nodes)[request.first : request.first + request.count]
        return model.Nodes(rows=rows, first=request.first, total=len(self.found.nodes), run=0)

    def tell(self, record: model.Record) -> None:
        self.told.append(record)
