"""Errors about what was given: samples, batches, indices, arguments, what workers are sent."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import torch

from gradrepl.engine.check.gradients import described
from gradrepl.engine.check.ledger import sources
from gradrepl.engine.check.raised import Raised
from gradrepl.engine.code import frames
from gradrepl.engine.explain import source
from gradrepl.engine.explain.source import at
from gradrepl.engine.tensor import facts
from gradrepl.model import Site, Sited

LOCAL = re.compile(r"local object '([\w.<>]+)'|<locals>\.(\w+)")
LINE = re.compile(r'File "([^"]+)", line (\d+)')
SENT = ("collate_fn", "worker_init_fn", "sampler", "dataset")


def _loader(raised: Raised) -> tuple[Any, Site | None, str]:
    """Return the loader that was looped over last, its line and its name."""
    loader = raised.checker.made.loop()
    site = raised.checker.made.site(loader) if loader is not None else None
    return loader, site, next(iter(source.targets(site)), "the loader")


def worker(raised: Raised) -> bool:
    """Name the loader, and the method that its workers run."""
    loader, site, name = _loader(raised)
    if loader is None:
        return False
    kind = type(loader.dataset)
    method = getattr(kind, "__getitem__", None) or kind.__iter__
    return raised.report(
        "worker",
        names=(name,),
        sites=raised.lines(root=_definition(method), loader=site),
    )


def single(raised: Raised) -> bool:
    """A last batch of one sample met a BatchNorm."""
    loader, site, name = _loader(raised)
    if loader is None:
        return False
    return raised.report(
        "batchnorm-single",
        f"the last batch of {name}{at(site)} has one sample, of which BatchNorm can take no"
        " statistics.",
        (name, *(path for path, _ in raised.modules()[:1])),
        sites=raised.lines(root=site),
        fix="",
    )


def no_batch(raised: Raised) -> bool:
    """A batch is None: collate_fn has returned it, or a dataset that makes batches."""
    loader, site, name = _loader(raised)
    if loader is None or raised.site is None or name not in raised.site.text:
        return False
    for function in (loader.collate_fn, getattr(type(loader.dataset), "__getitem__", None)):
        line = source.returns_none(_definition(function))
        if line is not None:
            owner = getattr(function, "__name__", "collate_fn")
            return raised.report(
                "collate-none",
                f"{owner}{at(line)} has returned None for a batch of {name}.",
                (owner, name),
                sites=raised.lines(root=line, loader=site),
                fix="",
            )
    return False


def unpicklable(raised: Raised) -> bool:
    """Something that a worker is to be sent is defined inside of a function."""
    loader, site, name = _loader(raised)
    match = LOCAL.search(raised.message)
    path = next(filter(None, match.groups()), "") if match else ""
    last = path.rpartition(".")[2]
    line = source.definition(site.file if site else raised.checker.script, last)
    if line is None:
        return False
    sent = [each for each in SENT if path in repr(getattr(loader, each, None))]
    return raised.report(
        "unpicklable",
        f"{path} is defined inside of a function: it cannot be sent to a worker that is"
        f" spawned{at(site)}.",
        (path, last, *sent, name),
        sites=raised.lines(root=line, loader=site),
    )


def out_of_range(raised: Raised) -> bool:
    """Name the indices that are too large, and where they and the table were made."""
    integers = _integers(raised)
    makers = (raised.checker.ledger.value(tensor).maker for tensor in integers.values())
    maker = next(filter(None, makers), None)
    parts = [f"{name} goes from {int(t.min())} to {int(t.max())}" for name, t in integers.items()]
    table: tuple[Site, ...] = ()
    for _, module in raised.modules()[:1]:
        if isinstance(module, torch.nn.Embedding):
            parts.append(f"the embedding has rows 0 to {module.num_embeddings - 1}")
            table = raised.checker.made.of(module.weight)
    return raised.report(
        "index-out-of-range" if "index" in raised.message else "target-out-of-range",
        ": ".join([_first_line(raised), ", ".join(parts)]) if parts else "",
        integers,
        sites=raised.lines(
            *(Sited("made", each) for each in table[:3]),
            root=maker.site if maker is not None else None,
        ),
    )


def _integers(raised: Raised) -> dict[str, torch.Tensor]:
    """Return the tensors of whole numbers on the line that raised, by name."""
    given = ((each.name, each.tensor) for each in raised.failure.tensors())
    return {name: t for name, t in given if not t.is_floating_point() and t.numel()}


def _first_line(raised: Raised) -> str:
    return raised.message.partition("\n")[0].removesuffix(".")


def captured(raised: Raised) -> bool:
    """A layer in training mode writes to buffers that a functional call was not given."""
    called = raised.modules()
    if not called:
        return False
    path, module = called[0]
    buffers = [f"{path}.{name}" for name, _ in module.named_buffers()]
    return raised.report(
        "functional-capture",
        f"{path or type(module).__name__} writes to its buffers ({', '.join(buffers[:3])}), which"
        " the function was not given.",
        (path, *buffers),
        fix="",
    )


def inference(raised: Raised) -> bool:
    """Name the inference tensor, and the line that made it."""
    given = [(each.name, each.tensor) for each in raised.failure.tensors()]
    values = [(name, raised.checker.ledger.value(t)) for name, t in given if t.is_inference()]
    for name, value in values:
        made = [value.maker, *sources([value]).values()]
        op = next((each for each in made if each is not None and "inference" in each.mode), None)
        if op is not None:
            cut = described(op)
            return raised.report(
                "inference",
                f"{name} is an inference tensor{at(op.site)}: autograd may not save it.",
                (name, *source.assigned(op.sites)),
                sites=raised.lines(*(Sited("made", e) for e in op.sites[:3]), root=cut.site),
            )
    return False


def sparse(raised: Raised) -> bool:
    """Name the embedding that gives sparse gradients."""
    modules = raised.checker.parameters.each_module()
    found = [(path, m) for path, m in modules if getattr(m, "sparse", False) is True]
    if not found:
        return False
    path, module = found[0]
    made = raised.checker.made.of(getattr(module, "weight", None))
    return raised.report(
        "sparse-gradient",
        f"{path} (sparse=True) has sparse gradients, which the optimizer does not take.",
        (path, f"{path}.weight"),
        sites=raised.lines(*(Sited("made", e) for e in made[1:3]), root=next(iter(made), None)),
    )


def non_leaf(raised: Raised) -> bool:
    """``.grad`` of a tensor that is no leaf is None."""
    if raised.site is None or ".grad" not in raised.site.text:
        return False
    for each in raised.failure.tensors():
        if each.tensor.requires_grad and not facts.is_leaf(each.tensor):
            op = raised.checker.ledger.value(each.tensor).maker
            return raised.report(
                "non-leaf",
                f"{each.name} is not a leaf{at(op.site if op else None)}, so its .grad stays None.",
                (each.name, *(source.assigned(op.sites) if op else ())),
                sites=raised.lines(root=op.site if op else None),
            )
    return False


def function(raised: Raised) -> bool:
    """Name the Function whose backward returns what it must not."""
    name = re.search(r"unction (\w+)Backward", raised.message)
    spaces = [frame.f_globals for frame in raised.place.frames]
    kinds = (each for space in spaces for each in list(space.values()) if isinstance(each, type))
    own = (each for each in kinds if name is not None and each.__name__ == name[1])
    kind: Any = next(own, None)
    if kind is None:
        return False
    return raised.report(
        "function-gradients",
        names=(kind.__name__, "backward"),
        sites=raised.lines(root=_definition(kind.backward), forward=_definition(kind.forward)),
    )


def in_process(raised: Raised) -> bool:
    """An error in a process that was spawned comes as the text of its traceback."""
    text = str(raised.error)
    places = [(file, int(number)) for file, number in LINE.findall(text) if frames.of_user(file)]
    own = [Sited("raised", source.line(*place)) for place in places[::-1][:4]]
    lines = [each for each in text.splitlines() if re.match(r"[\w.]+(Error|Exception)\b", each)]
    word = next((word for part, word in WORDS.items() if part in text), "exception")
    return raised.report(word, lines[-1] if lines else "", sites=(*own, *raised.lines()))


def _definition(function: Any) -> Site | None:
    code = getattr(function, "__code__", None)
    if code is None or frames.kind(code) != frames.USER:
        return None
    return source.code_line(code)


TELLERS: dict[str, Callable[[Raised], bool]] = {
    "ProcessRaisedException": in_process,
    "nference tensors cannot be saved": inference,
    "does not support sparse": sparse,
    "add(sparse, dense)": sparse,
    "incorrect number of gradients": function,
    "returned an invalid gradient": function,
    "DataLoader worker (pid": worker,
    "in DataLoader worker process": worker,
    "more than 1 value per channel": single,
    "'NoneType'": lambda raised: non_leaf(raised) or no_batch(raised),
    "non-iterable NoneType": no_batch,
    "pickle": unpicklable,
    "local object '": unpicklable,
    "index out of range in self": out_of_range,
    "is out of bounds": out_of_range,
    "would mutate a captured": captured,
}
"""By a stable part of the message: what says whose fault it is, and returns whether it knew."""
WORDS = {
    "used in an in-place operation": "inplace",
    "can be implicitly created only for scalar": "not-scalar",
    "grad can be implicitly created": "not-scalar",
    "does not require grad and does not have": "no-graph",
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
    "each element in list of batch": "collate",
    "stack expects each tensor to be equal size": "collate",
    "Parameter indices which did not receive grad": "unused-parameters",
}
"""The rule, by a stable part of other messages."""
