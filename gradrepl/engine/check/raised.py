"""What the program let through: the error, its lines by their part, and what to write instead."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import torch

from gradrepl.engine import explain
from gradrepl.engine.check import source
from gradrepl.engine.check.checker import Checker
from gradrepl.engine.check.gradients import describe_cut
from gradrepl.engine.check.ledger import Op, Ran, Rule, Value, by_gradient, sources
from gradrepl.engine.code import frames
from gradrepl.engine.explain.errors import KNOWN
from gradrepl.engine.explain.failed_line import Failure
from gradrepl.engine.graph.nodes import STALE
from gradrepl.engine.stopping.gate import Place
from gradrepl.model import Finding, Site, Sited, sited

CALLED = 3
"""Callers of the line that raised, that are told of."""


class Raised:
    """An error that ended the program, and what is known of it."""

    def __init__(self, error: BaseException, place: Place, checker: Checker) -> None:
        session = checker.session
        self.error, self.place, self.checker = error, place, checker
        self.record = explain.error_of(error, session, place)
        self.failure = Failure(error, self.record.message, self.record.hint, session, place)
        checker.parameters.search(place.frame)

    @property
    def site(self) -> Site | None:
        """The user's line that raised."""
        return self.place.site(self.place.frames[0]) if self.place.frames else None

    def lines(self, **roles: Site | None) -> tuple[Sited, ...]:
        """Return the lines by their part; then the one that raised, and who called that."""
        called = [self.place.site(frame) for frame in self.place.frames[1 : 1 + CALLED]]
        rows = [
            *sited(**roles),
            *sited(raised=self.site),
            *(Sited("called", each) for each in called),
        ]
        known: dict[tuple[str, int], Sited] = {}
        for row in rows:
            known.setdefault((row.site.file, row.site.line), row)
        return tuple(known.values())

    def finding(self, rule: str, severity: str = "error", **fields: Any) -> Finding:
        """Return a finding of it, with what is known of every error."""
        given = {
            "message": self.record.message.partition("\n")[0],
            "sites": self.lines(root=self.site),
            "subjects": self.subjects(),
            "fix": self.record.hint,
        } | fields
        return Finding(rule=rule, severity=severity, **given)

    def subjects(self) -> tuple[str, ...]:
        """Return the tensors and modules on the line that raised, and the module that did."""
        names = [each.name for each in self.failure.tensors()]
        names += [name for name, _ in self.failure.modules()]
        names += [path for path, _ in self.modules()[:1]]
        return tuple(dict.fromkeys(filter(None, names)))[:8]

    def modules(self) -> list[tuple[str, torch.nn.Module]]:
        """Return the modules that were being called, innermost first, with their paths."""
        called = []
        tb = self.error.__traceback__
        while tb is not None:
            if frames.kind(tb.tb_frame.f_code) == frames.MODULE:
                module = frames.module_of(tb.tb_frame)
                path, _ = self.checker.parameters.modules.get(id(module), ("", None))
                called.append((path, module))
            tb = tb.tb_next
        return called[::-1]

    def tensors(self) -> Iterator[tuple[str, torch.Tensor]]:
        """Yield the tensors on the line that raised."""
        yield from ((each.name, each.tensor) for each in self.failure.tensors())


class Uncaught(Rule):
    """Tells of the exception that the program has ended with."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker

    def over(self, error: BaseException | None, place: Place | None) -> None:
        """Tell what it is about."""
        if error is None or place is None or isinstance(error, KeyboardInterrupt):
            return
        raised = Raised(error, place, self._checker)
        message = raised.record.message
        for part, tell in TELLERS.items():
            if part in message and (finding := tell(self, raised)):
                self._checker.report(finding)
                return
        known = raised.record.hint or any(part in message for part in KNOWN) or _from_torch(error)
        word = next((word for part, word in WORDS.items() if part in message), "exception")
        self._checker.report(raised.finding(word, "error" if known else "note"))

    def _failed(self) -> Ran | None:
        backwards = self._checker.ledger.backwards
        return backwards[-1] if backwards and backwards[-1].error is not None else None

    # -- overwritten -----------------------------------------------------------------------------

    def overwritten(self, raised: Raised) -> Finding | None:
        """Name who saved the value, and who wrote to it afterwards, through which alias."""
        ran = self._failed()
        saver = self._checker.ledger.op_of(ran.last) if ran is not None else None
        if saver is None or ran is None:
            return None
        memory = {each.storage for each in (*saver.inputs, *saver.outputs) if each.storage}
        writers = [
            op
            for op in self._checker.ledger.ops
            if op.wrote and op.number > saver.number and memory & {e.storage for e in op.outputs}
        ]
        if not writers:
            return self._stepped(raised, saver, ran)
        writer = writers[0]
        names = source.subjects(writer.site, writer.name)
        what = f"'{names[0]}'" if names else "a tensor"
        return raised.finding(
            "inplace",
            message=f"{writer.name} overwrote {what}{_at(writer.site)}, which"
            f" {saver.name}{_at(saver.site)} had saved for its backward.",
            sites=raised.lines(root=writer.site, saved_at=saver.site, needed_at=raised.site),
            subjects=tuple(dict.fromkeys((*names, *_names(saver)))),
            fix="Compute it out of place, or clone it before the write.",
        )

    def _stepped(self, raised: Raised, saver: Op, ran: Ran) -> Finding | None:
        """A parameter was stepped between the forward and its backward."""
        steps = self._checker.ledger.steps
        if not steps:
            return None
        names = [self._checker.parameters.names.get(id(each.ref()), "") for each in saver.inputs]
        site = steps[-1][0] if steps[-1] else None
        return raised.finding(
            "step-before-backward",
            message=f"the optimizer stepped{_at(site)} between the forward ({saver.name}"
            f"{_at(saver.site)}) and its backward, which needs the parameter as it was.",
            sites=raised.lines(root=site, saved_at=saver.site, needed_at=raised.site),
            subjects=tuple(filter(None, names)),
            fix="Step after all backwards of that forward, or run the forward again.",
        )

    # -- a second time ---------------------------------------------------------------------------

    def second(self, raised: Raised) -> Finding | None:
        """Name the backward that freed the graph, and the tensor that carries it on."""
        ran = self._failed()
        if ran is None:
            return None
        backwards = self._checker.ledger.backwards[:-1]
        earlier = next((each for each in reversed(backwards) if ran.last in each.seqs), None)
        if earlier is None:
            return None
        freed = earlier.sites[0] if earlier.sites else None
        carried = self._carried(ran, earlier)
        if carried is None or carried in ran.roots:
            return raised.finding(
                "second-backward",
                message=f"this graph was freed by the backward{_at(freed)}.",
                sites=raised.lines(root=raised.site, freed_at=freed),
                fix="Call backward once on the sum, or run the forward again before this one.",
            )
        site = carried.maker.site if carried.maker is not None else None
        names = source.targets(site)
        if raised.site is not None and (block := source.blocks(raised.site, "cached(")):
            module = carried.maker.module if carried.maker is not None else ""
            owner = module.partition(".parametrizations.")[0]
            name = f"{owner}.{module.split('.')[-2]}" if ".parametrizations." in module else owner
            return raised.finding(
                "second-backward",
                message=f"{name or 'a parametrized tensor'} is cached from step to step"
                f"{_at(block)}: its graph was freed by the backward{_at(freed)}.",
                sites=raised.lines(root=block, made=site, freed_at=freed),
                subjects=tuple(filter(None, (name, module))),
                fix="Put 'with parametrize.cached():' around the forward of one step.",
            )
        what = f"'{names[0]}'" if names else "a tensor"
        fix = f"{names[0]} = {names[0]}.detach()" if names else "detach it"
        return raised.finding(
            "second-backward",
            message=f"{what}{_at(site)} carries the graph of an earlier forward, which the backward"
            f"{_at(freed)} freed, into this one.",
            sites=raised.lines(root=site, freed_at=freed),
            subjects=tuple(names),
            fix=f"Compute it anew in each step, or cut it off where it is carried on: {fix}.",
        )

    def _carried(self, ran: Ran, earlier: Ran) -> Value | None:
        """Return the value at which the new graph meets the one that was freed."""
        waiting = list(ran.roots)
        known = set(waiting)
        while waiting:
            value = waiting.pop(0)
            op = value.maker
            if op is None:
                continue
            if any(number in earlier.seqs for number in op.seq):
                return value
            for each in op.inputs:
                if each not in known and by_gradient(op, each):
                    known.add(each)
                    waiting.append(each)
        return None

    # -- no graph --------------------------------------------------------------------------------

    def no_graph(self, raised: Raised) -> Finding | None:
        """Name the op that cut the root off from what requires a gradient."""
        ran = self._failed()
        if ran is None or not ran.roots:
            return None
        ops = {op for op in sources(ran.roots).values() if self._cuts(op)}
        if not ops:
            return None
        lost = describe_cut(max(ops, key=lambda op: op.number))
        names = source.targets(lost.op.site)
        what = f"'{names[0]}'" if names else "what the loss is made of"
        return raised.finding(
            lost.rule,
            message=f"the loss has no graph: {what} {lost.how}{_at(lost.op.site)}.",
            sites=raised.lines(root=lost.op.site),
            subjects=tuple(names) or raised.subjects(),
            fix=lost.fix,
        )

    # -- data ------------------------------------------------------------------------------------

    def _loader(self) -> tuple[Any, Site | None, str]:
        """Return the loader that was looped over last, its line and its name."""
        loader = self._checker.looped
        site = self._checker.made.site(loader) if loader is not None else None
        names = source.targets(site)
        return loader, site, names[0] if names else "loader"

    def worker(self, raised: Raised) -> Finding | None:
        """Name the loader, and the method that its workers run."""
        loader, site, name = self._loader()
        if loader is None:
            return None
        dataset = loader.dataset
        method = getattr(type(dataset), "__getitem__", None) or type(dataset).__iter__
        return raised.finding(
            "worker",
            sites=raised.lines(root=_definition(method), loader=site),
            subjects=(name, *raised.subjects()),
            fix=raised.record.hint
            or "num_workers=0 shows the error itself; a worker that is killed"
            " has mostly run out of memory.",
        )

    def single(self, raised: Raised) -> Finding | None:
        """A last batch of one sample met a BatchNorm."""
        loader, site, name = self._loader()
        paths = [path for path, _ in raised.modules() if path]
        if loader is None:
            return None
        return raised.finding(
            "batchnorm-single",
            message=f"the last batch of {name}{_at(site)} has one sample, of which BatchNorm can"
            " take no statistics.",
            sites=raised.lines(root=site),
            subjects=(name, *paths[:1]),
            fix="drop_last=True",
        )

    def no_batch(self, raised: Raised) -> Finding | None:
        """A batch is None: collate_fn has returned it."""
        loader, site, name = self._loader()
        if loader is None or raised.site is None or name not in raised.site.text:
            return None
        for function in (loader.collate_fn, getattr(type(loader.dataset), "__getitem__", None)):
            line = source.returns_none(_definition(function))
            if line is not None:
                owner = getattr(function, "__name__", "collate_fn")
                return raised.finding(
                    "collate-none",
                    message=f"{owner}{_at(line)} has returned None for a batch of {name}.",
                    sites=raised.lines(root=line, loader=site),
                    subjects=(owner, name),
                    fix="Return a batch always, or skip None in the loop.",
                )
        return None

    def unpicklable(self, raised: Raised) -> Finding | None:
        """Something that a worker is to be sent is defined inside of a function."""
        loader, site, name = self._loader()
        match = re.search(r"local object '([\w.<>]+)'|<locals>\.(\w+)", raised.record.message)
        path = next(filter(None, match.groups()), "") if match else ""
        line = source.definition(
            site.file if site else self._checker.script(), path.rpartition(".")[2]
        )
        if loader is None and line is None:
            return None
        kept = [key for key in ("collate_fn", "worker_init_fn", "sampler", "dataset")
                if path and path in repr(getattr(loader, key, None))]  # fmt: skip
        return raised.finding(
            "unpicklable",
            message=f"{path or 'something'} is defined inside of a function: it cannot be sent to a"
            f" worker that is spawned{_at(site)}.",
            sites=raised.lines(root=line or site, loader=site),
            subjects=tuple(filter(None, (path, path.rpartition(".")[2], *kept, name))),
        )

    # -- what was given --------------------------------------------------------------------------

    def out_of_range(self, raised: Raised) -> Finding | None:
        """Name the indices that are too large, and where they and the table were made."""
        integers = [(name, t) for name, t in raised.tensors() if not t.is_floating_point()]
        found = [self._checker.ledger.value(tensor).maker for _, tensor in integers]
        made = next((op.site for op in found if op is not None), None)
        table = [self._checker.made.of(p) for _, m in raised.modules()[:1] for p in m.parameters()]
        places = [Sited("made", each) for sites in table[:1] for each in sites[:3]]
        word = next(word for part, word in WORDS.items() if part in raised.record.message)
        lines = raised.lines(root=made or raised.site)
        names = [name for name, _ in integers]
        return raised.finding(
            word,
            message=f"{self._range(raised, integers)}",
            sites=(*lines, *(p for p in places if p.site not in [each.site for each in lines])),
            subjects=tuple(dict.fromkeys((*names, *raised.subjects()))),
        )

    def _range(self, raised: Raised, integers: list[tuple[str, torch.Tensor]]) -> str:
        message = raised.record.message.partition("\n")[0]
        parts = [
            f"{name} goes from {int(t.min())} to {int(t.max())}"
            for name, t in integers
            if t.numel()
        ]
        for path, module in raised.modules()[:1]:
            if isinstance(module, torch.nn.Embedding):
                parts.append(f"{path or 'the embedding'} has rows 0 to {module.num_embeddings - 1}")
        return f"{message.removesuffix('.')}: {', '.join(parts)}." if parts else message

    def captured(self, raised: Raised) -> Finding | None:
        """A layer in training mode writes to buffers that a functional call was not given."""
        paths = [path for path, _ in raised.modules() if path]
        buffers = (
            [f"{paths[0]}.{name}" for name, _ in raised.modules()[0][1].named_buffers()]
            if paths
            else []
        )
        return raised.finding(
            "functional-capture",
            message=f"{paths[0] if paths else 'a module'} writes to its buffers"
            f" ({', '.join(buffers[:3]) or 'none'}), which the function was not given.",
            subjects=tuple((*paths[:1], *buffers[:4])),
            fix="Give functional_call the buffers, too, or put the layer in eval mode.",
        )

    def in_process(self, raised: Raised) -> Finding | None:
        """An error in a process that was spawned comes as the text of its traceback."""
        text = str(raised.error)
        own = [
            Sited("raised", source.line(file, int(number)))
            for file, number in re.findall(r'File "([^"]+)", line (\d+)', text)
            if frames.of_user(file)
        ]
        last = next(
            (l for l in text.splitlines()[::-1] if re.match(r"[\w.]+(Error|Exception)\b", l)), ""
        )
        return raised.finding(
            next((word for part, word in WORDS.items() if part in text), "exception"),
            message=last or raised.record.message.partition("\n")[0],
            sites=(*own[::-1][:4], *raised.lines()),
        )

    def _cuts(self, op: Op) -> bool:
        taken = any(each.requires_grad for each in op.inputs)
        return taken and not any(each.requires_grad for each in op.outputs)


def _at(site: Site | None) -> str:
    return f" ({site.place})" if site is not None else ""


def _names(op: Op) -> list[str]:
    makers = [each.maker for each in op.inputs if each.maker is not None]
    return [name for maker in makers for name in source.targets(maker.site)]


def _from_torch(error: BaseException) -> bool:
    """Was it raised by torch, and not by Python or by code of the user's?"""
    tb = error.__traceback__
    while tb is not None and tb.tb_next is not None:
        tb = tb.tb_next
    if tb is None:
        return False
    kind = frames.kind(tb.tb_frame.f_code)
    return kind not in (frames.USER, frames.LIBRARY) or isinstance(error, RuntimeError)


def _definition(function: Any) -> Site | None:
    code = getattr(function, "__code__", None)
    if code is None or frames.kind(code) != frames.USER:
        return None
    return source.line(code.co_filename, code.co_firstlineno, code.co_name)


Teller = Callable[[Uncaught, Raised], Finding | None]
TELLERS: dict[str, Teller] = {
    STALE: Uncaught.overwritten,
    "backward through the graph a second time": Uncaught.second,
    "does not require grad and does not have a grad_fn": Uncaught.no_graph,
    "DataLoader worker (pid": Uncaught.worker,
    "in DataLoader worker process": Uncaught.worker,
    "more than 1 value per channel": Uncaught.single,
    "non-iterable NoneType": Uncaught.no_batch,
    "'NoneType' object": Uncaught.no_batch,
    "pickle": Uncaught.unpicklable,
    "local object '": Uncaught.unpicklable,
    "index out of range in self": Uncaught.out_of_range,
    "is out of bounds": Uncaught.out_of_range,
    "would mutate a captured": Uncaught.captured,
    "ProcessRaisedException": Uncaught.in_process,
}
"""By a stable part of torch's message."""
WORDS = {
    "leaf Variable that requires grad is being used in an in-place": "inplace",
    "can be implicitly created only for scalar": "not-scalar",
    "shapes cannot be multiplied": "shape",
    "must match the size of tensor": "shape",
    "size mismatch": "shape",
    "index out of range": "index-out-of-range",
    "is out of bounds": "target-out-of-range",
    "same dtype": "dtype",
    "expected scalar type": "dtype",
    "same device": "device",
    "incorrect number of gradients": "function-gradients",
    "returned an invalid gradient": "function-gradients",
    "DataLoader worker": "worker",
    "pickle": "unpicklable",
    "Can't get local object": "unpicklable",
    "each element in list of batch": "collate",
    "stack expects each tensor to be equal size": "collate",
    "Parameter indices which did not receive grad": "unused-parameters",
}
"""The rule, by a stable part of other messages."""
