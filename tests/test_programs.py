"""What real training code does, item by item: each has its program among those that are compared.

The programs themselves are run, stepped and watched by ``tests/engine/test_truth.py`` and
``test_health_truth.py``. Here stands which holds what, and what needs more than one process.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from debuggee import ROOT, SECONDS, Debuggee

from gradrepl import model

PROGRAMS = ROOT / "tests" / "programs"
ITEMS = {
    "SGD": ("optimizers", "torch.optim.SGD("),
    "AdamW fused": ("optimizers", "AdamW(p, lr=0.01, fused=True)"),
    "AdamW foreach": ("optimizers", "AdamW(p, lr=0.01, foreach=True"),
    "a closure of LBFGS": ("lbfgs", "optimizer.step(closure)"),
    "OneCycleLR": ("schedulers", "OneCycleLR("),
    "ReduceLROnPlateau": ("schedulers", "ReduceLROnPlateau("),
    "gradient accumulation": ("accumulation", "/ EVERY"),
    "clipping": ("accumulation", "clip_grad_norm_(model"),
    "GradScaler and autocast to bfloat16": ("autocast_cpu", "torch.bfloat16"),
    "GradScaler and autocast to float16": ("half_precision", "torch.float16"),
    "EMA copies": ("averaged", "get_ema_multi_avg_fn("),
    "weight tying": ("tied", "self.head.weight = self.embed.weight"),
    "frozen layers": ("tied", "parameter.requires_grad = False"),
    "a GAN with two optimizers": ("gan", "generator_optimizer.step()"),
    "retain_graph": ("many_backwards", "backward(retain_graph=True)"),
    "truncated BPTT": ("truncated", "before.backward(state.grad, retain_graph=True)"),
    "create_graph for a penalty": ("double_backward", "(slope.norm(dim=1) - 1)"),
    "create_graph for MAML": ("maml", "create_graph=True"),
    "torch.func.vmap": ("functional", "vmap(grad("),
    "torch.func.grad": ("functional", "grad(loss_of)("),
    "torch.func.jacrev": ("functional", "jacrev("),
    "reentrant checkpoint": ("checkpoint_reentrant", "use_reentrant=True"),
    "checkpoint": ("checkpoint_nonreentrant", "use_reentrant=False"),
    "saved_tensors_hooks": ("offload", "with saved_tensors_hooks("),
    "save_on_cpu": ("offload", "with save_on_cpu("),
    "workers by fork": ("workers", 'multiprocessing_context="fork"'),
    "workers by forkserver": ("forkserver", 'multiprocessing_context="forkserver"'),
    "DDP": ("ddp", "DistributedDataParallel("),
    "torch.compile": ("compiled", "torch.compile("),
    "nn.DataParallel": ("data_parallel", "nn.DataParallel("),
    "user threads": ("threads", "ThreadPoolExecutor("),
    "SIGUSR1": ("signals", "signal.SIGUSR1, save"),
    "SIGALRM": ("signals", "signal.SIGALRM, tick"),
    "SIGTERM that nobody handles": ("terminated", "signal.SIGTERM"),
    "subprocesses": ("process", "subprocess.run("),
    "a pool by fork": ("pools", 'get_context("fork")'),
    "a pool by spawn": ("pools", 'get_context("spawn").Pool('),
    "exceptions in hooks": ("raising_hooks", "raise ValueError(kind)"),
    "KeyboardInterrupt raised and caught": ("raising_hooks", "except KeyboardInterrupt"),
    "KeyboardInterrupt by a signal": ("signals", "signal.raise_signal(signal.SIGINT)"),
    "sys.exit in a worker": ("leaving", "sys.exit(5)"),
    "sys.exit in a pool": ("pools", "sys.exit(7)"),
    "atexit handlers": ("leaving", "atexit.register(last_words)"),
    "tqdm": ("progress_bars", "tqdm(range(4)"),
    "rich's progress bar": ("progress_bars", "Progress(*columns"),
    "logging": ("logs", "logging.config.dictConfig("),
    "Module.__call__ patched": ("patched", 'wrapped(nn.Module, "__call__")'),
    "Tensor.backward patched": ("patched", 'wrapped(torch.Tensor, "backward")'),
    "an optimizer's step patched": ("patched", 'wrapped(torch.optim.Adam, "step")'),
    "full backward hooks": ("lightning_like", "register_full_backward_hook("),
    "forward pre hooks": ("lightning_like", "register_forward_pre_hook("),
    "optimizer closures": ("lightning_like", "optimizer.step(closure="),
}
"""By what real code does: the program in which it is done, and where one sees it there."""


@pytest.mark.parametrize("item", ITEMS)
def test_each_item_has_its_program(item: str) -> None:
    name, words = ITEMS[item]
    assert words in (PROGRAMS / f"{name}.py").read_text()


def _said(d: Debuggee) -> list[str]:
    return [record.message for record in d.told if isinstance(record, model.Notice)]


def _passing_by(d: Debuggee) -> None:
    d.break_at("op nosuch")
    while d.prompt is not None and d.prompt.state != "idle":
        d.cont()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("functional", "functional.py:16: torch.func transforms this code (grad): "),
        ("own_functions", "own_functions.py:114: torch.func transforms this code (vmap): "),
        ("offload", "offload.py:42: saved_tensors_hooks pack what is saved for the backward: "),
        ("checkpoint_nonreentrant", ""),
        ("dropout", ""),
    ],
)
def test_what_is_seen_otherwise_is_said_once(name: str, words: str, attached) -> None:
    said = _said(attached([str(PROGRAMS / f"{name}.py")], _passing_by))
    assert [each.startswith(words) for each in said] == ([True] if words else [])


# -- two ranks ---------------------------------------------------------------------------------


def _ranks(path: Path) -> list[str]:
    return [Path(f"{path}.{rank}").read_text() for rank in range(2)]


def _lines(text: str, start: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(start)]


def _port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def test_both_ranks_of_torchrun_are_stepped(home, tmp_path: Path) -> None:
    script = str(PROGRAMS / "ddp.py")
    group = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_port())}
    alone = [
        home.fork("rank", (script, str(tmp_path / "bare")), RANK=str(rank), **group)[0]
        for rank in range(2)
    ]
    words = [each for word in ("s 40", "n 10", "b nan", "c") for each in ("-c", word)]
    done = subprocess.run(
        [
            sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2",
            "--no-python", sys.executable, "-m", "gradrepl", "--json", *words, script,
            str(tmp_path / "with"),
        ],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [child.wait() for child in alone] == [0, 0]
    assert _ranks(tmp_path / "with") == _ranks(tmp_path / "bare")
    first, second = (_lines(text, "digest model.") for text in _ranks(tmp_path / "with"))
    assert first == second != []
    records = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    kinds = [record["type"] for record in records]
    assert (kinds.count("Stop"), kinds.count("Ended")) == (6, 2)
