"""Who shares memory with whom, and who wrote to it."""

from __future__ import annotations

from gradrepl.protocol.running import Request


class AskStorages(Request, frozen=True, kw_only=True):
    """Tensors in reach by storage; with ``expressions``, only the storages of these."""

    expressions: tuple[str, ...] = ()
    limit: int = 500
    """Storages to send at the most; those with several members come first."""


class AskSharing(Request, frozen=True, kw_only=True):
    """What two tensors (or arrays) have to do with each other."""

    a: str
    b: str


class AskCopies(Request, frozen=True, kw_only=True):
    """What each way of copying does to a tensor."""

    expression: str


class AskVersions(Request, frozen=True, kw_only=True):
    """Who wrote to a tensor's memory, and who saved it; from now on its content is compared.

    Without ``expression`` the storages that are compared; with ``off`` that one, or all, are no
    longer.
    """

    expression: str = ""
    off: bool = False


class AskBytes(Request, frozen=True, kw_only=True):
    """Memory by owner."""

    largest: int = 10
