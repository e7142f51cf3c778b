"""What the program let through: the error, its lines by their part, and what to write instead.

Here what is said of a graph: overwritten, freed, cut off. Of data and arguments: ``given``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch

from gradrepl.engine import explain
from gradrepl.engine.check.checker import Checker
from gradrepl.engine.check.gradients import NUMBERS, described
from gradrepl.engine.check.ledger import Op, Ran, Value, by_gradient, sources, taken
from gradrepl.engine.code import frames
from gradrepl.engine.explain import source
from gradrepl.engine.explain.failed_line import Failure
from gradrepl.engine.explain.source import at
from gradrepl.engine.graph.nodes import STALE
from gradrepl.engine.stopping.gate import Place
from gradrepl.model import Site, Sited, sited

CALLED = 3
"""Callers of the line that raised, that are told of."""
SUBJECTS = 8
DATA = ("torch/utils/data/dataloader.py", "torch/utils/data/_utils/fetch.py")


class Raised:
    """An error that ended the program, and what is known of it."""

    def __init__(self, error: BaseException, place: Place, checker: Checker) -> None:
        session = checker.session
        self.error, self.place, self.checker = error, place, checker
        self.record = explain.error_of(error, session, place)
        self.message = self.record.message
        self.failure = Failure(error, self.message, self.record.hint, session, place)
        checker.parameters.search(place.frame)

    @property
    def site(self) -> Site | None:
        """The user's line that raised."""
        return self.place.site(self.place.frames[0]) if self.place.frames else None

    @property
    def ran(self) -> Ran | None:
        """The backward that raised, if it was one."""
        last = self.checker.ledger.backwards[-1:]
        return last[0] if last and last[0].failed else None

    def lines(self, *more: Sited, **roles: Site | None) -> tuple[Sited, ...]:
        """Return the lines by their part; then the one that raised, and who called that."""
        called = [self.place.site(frame) for frame in self.place.frames[1 : 1 + CALLED]]
        more = (*more, *(Sited("called", site) for site in called), *self._loader())
        rows = (*sited(**roles, raised=self.site), *more)
        known: dict[tuple[str, int], Sited] = {}
        for row in rows:
            known.setdefault((row.site.file, row.site.line), row)
        return tuple(known.values())

    def _loader(self) -> Iterator[Sited]:
        """Yield where the loader and its sampler were made, where one of them has raised."""
        loader = self.checker.made.loop()
        inside = any(frame.f_code.co_filename.endswith(DATA) for frame in self.frames())
        for each in (loader, loader.sampler) if loader is not None and inside else ():
            site = self.checker.made.site(each)
            if site is not None:
                yield Sited("loader", site)

    def report(self, rule: str, what: str = "", names: Iterable[str] = (), **more: Any) -> bool:
        """Report it, with what is known of every error."""
        more = {"fix": self.record.hint, "sites": self.lines()} | more
        subjects = (*names, *self.subjects())
        self.checker.report(rule, what or self.message.partition("\n")[0], subjects, **more)
        return True

    def subjects(self) -> tuple[str, ...]:
        """Return the tensors and modules on the line that raised, and the module that did."""
        names = [each.name for each in self.failure.tensors()]
        names += [name for name, _ in self.failure.modules()]
        names += [path for path, _ in self.modules()[:1]]
        return tuple(names)[:SUBJECTS]

    def modules(self) -> list[tuple[str, torch.nn.Module]]:
        """Return the modules that were being called, innermost first, with their paths."""
        called = []
        for frame in self.frames():
            if frames.kind(frame.f_code) == frames.MODULE:
                module = frames.module_of(frame)
                path, _ = self.checker.parameters.modules.get(id(module), ("", None))
                called.append((path, module))
        return called[::-1]

    def frames(self) -> Iterator[Any]:
        """Yield the frames that it came through, outermost first."""
        tb = self.error.__traceback__
        while tb is not None:
            yield tb.tb_frame
            tb = tb.tb_next


# -- overwritten -----------------------------------------------------------------------------------


def quoted(names: list[str]) -> str:
    """Return the first name in quotes, or 'a tensor'."""
    return f"'{names[0]}'" if names else "a tensor"


def overwritten(raised: Raised) -> bool:
    """Name who saved the value, and who wrote to it afterwards."""
    ledger = raised.checker.ledger
    saver = ledger.op_of(raised.ran.last) if raised.ran is not None else None
    if saver is None:
        return False
    memory = saver.memory
    later = (op for op in ledger.ops if op.wrote and op.number > saver.number)
    writer = next((op for op in later if memory & op.memory), None)
    if writer is None:
        return _stepped(raised, saver)
    names = source.subjects(writer.site, writer.name)
    return raised.report(
        "inplace",
        f"{writer.name} overwrote {quoted(names)}{at(writer.site)}, which"
        f" {saver.name}{at(saver.site)} had saved for its backward.",
        (*names, writer.name, *taken(saver)),
        fix="",
        sites=raised.lines(root=writer.site, saved_at=saver.site, needed_at=raised.site),
    )


def _stepped(raised: Raised, saver: Op) -> bool:
    """Say that an optimizer stepped between a forward and its backward."""
    steps = raised.checker.ledger.steps
    if not steps:
        return False
    names = raised.checker.parameters.names
    site = next(iter(steps[-1]), None)
    return raised.report(
        "step-before-backward",
        f"the optimizer stepped{at(site)} between the forward ({saver.name}{at(saver.site)}) and"
        " its backward, which needs the parameter as it was.",
        (names.get(id(each.ref()), "") for each in saver.inputs),
        fix="",
        sites=raised.lines(root=site, saved_at=saver.site, needed_at=raised.site),
    )


# -- a second time ---------------------------------------------------------------------------------


def second(raised: Raised) -> bool:
    """Name the backward that freed the graph, and the tensor that carries it on."""
    ran = raised.ran
    earlier = raised.checker.ledger.earlier(ran.last) if ran is not None else None
    if ran is None or earlier is None:
        return False
    freed = next(iter(earlier.sites), None)
    carried = _carried(ran, earlier)
    op = carried.maker if carried is not None and carried not in ran.roots else None
    block = source.blocks(raised.site, "cached(") if raised.site is not None else None
    if op is None:
        return raised.report(
            "second-backward",
            f"this graph was freed by the backward{at(freed)}.",
            fix="Call backward once on the sum, or run the forward again before this one.",
            sites=raised.lines(root=raised.site, freed_at=freed),
        )
    names = source.assigned(op.sites)
    if block is not None:
        return raised.report(
            "second-backward",
            f"a parametrized tensor is cached from step to step{at(block)}: its graph was freed by"
            f" the backward{at(freed)}.",
            _parametrized(raised.checker),
            fix="Put 'with parametrize.cached():' around the forward of one step.",
            sites=raised.lines(root=block, made=op.site, freed_at=freed),
        )
    cut = f": {names[0]} = {names[0]}.detach()" if names else ""
    return raised.report(
        "second-backward",
        f"{quoted(names)}{at(op.site)} carries the graph of an earlier forward, which the backward"
        f"{at(freed)} freed, into this one.",
        names,
        fix=f"Compute it anew in each step, or cut it off where it is carried on{cut}.",
        sites=raised.lines(*_chain(op), root=op.site, freed_at=freed),
    )


def _chain(op: Op) -> list[Sited]:
    """Return who called the line of an op."""
    return [Sited("made", each) for each in op.sites[1:3]]


def _carried(ran: Ran, earlier: Ran) -> Value | None:
    """Return the value at which the new graph meets the one that was freed."""
    known, waiting = set(ran.roots), list(ran.roots)
    for value in waiting:  # it grows
        op = value.maker
        if op is not None and not earlier.seqs.isdisjoint(op.seq):
            return value
        fresh = [e for e in op.inputs if e not in known and by_gradient(op, e)] if op else []
        known.update(fresh)
        waiting += fresh
    return None


def _parametrized(checker: Checker) -> Iterator[str]:
    """Yield the tensors that parametrizations compute."""
    for path, module in checker.parameters.each_module():
        for name in getattr(module, "parametrizations", {}):
            yield f"{path}.{name}"


# -- no graph --------------------------------------------------------------------------------------


def no_graph(raised: Raised) -> bool:
    """Name the op that cut the root off from what requires a gradient."""
    roots = raised.ran.roots if raised.ran is not None else []
    ops = [op for op in sources(roots).values() if op.cuts]
    ops = ops or [op for op in raised.checker.ledger.ops if op.cuts and op.name in NUMBERS]
    if not ops:
        return False
    op = max(ops, key=lambda op: op.number)
    cut = described(op)
    names = source.assigned(op.sites)
    return raised.report(
        cut.rule,
        f"the loss has no graph: {quoted(names)} that it is made of {cut.how}{at(cut.site)}.",
        names,
        fix=cut.fix,
        sites=raised.lines(root=cut.site),
    )


GRAPHS = {
    STALE: overwritten,
    "backward through the graph a second time": second,
    "does not require grad and does not have a grad_fn": no_graph,
}
"""By a stable part of torch's message: what says whose fault it is, and returns whether it knew."""
