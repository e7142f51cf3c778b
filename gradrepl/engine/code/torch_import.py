"""Tells when the user's code has imported torch, without importing it for them.

A script may set ``OMP_NUM_THREADS`` or other variables before its own import: torch must not be
there before.
"""

from __future__ import annotations

import glob
import importlib.util
import os
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from gradrepl.engine.boundary import Part


def torch_module() -> Any:
    """Return torch if it has been imported to its end, else None."""
    module = sys.modules.get("torch")
    spec = getattr(module, "__spec__", None)
    return None if module is None or getattr(spec, "_initializing", False) else module


def device() -> str:
    """Return 'cuda:0' where torch can use a GPU that the system shows, else 'cpu'.

    ``torch.cuda.is_available()`` would start the driver, and then no forked worker of the user's
    could use it any more: a question of ours must not do that.
    """
    torch = torch_module()
    version = getattr(torch, "version", None)
    built = getattr(version, "cuda", None) or getattr(version, "hip", None)
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    shown = any(glob.glob(each) for each in ("/dev/nvidia[0-9]*", "/dev/kfd", "/dev/dxg"))
    return "cuda:0" if built and shown and not hidden else "cpu"


class Watch:
    """A finder that is asked first, and goes away once its module was looked for."""

    def __init__(self, arrived: Callable[[], None], module: str = "torch") -> None:
        self._arrived = arrived
        self._module = module
        self._part = Part(f"following the import of {module}", self.remove)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Let the others find the module, and hear when it has been executed."""
        if name != self._module:
            return None
        self.remove()
        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            self.install()
            return spec
        loader, arrived, again, part = spec.loader, self._arrived, self.install, self._part
        execute = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            loader.exec_module = execute  # type: ignore[method-assign]
            try:
                execute(module)
            except BaseException:
                again()
                raise
            with part:
                arrived()

        loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec

    def install(self) -> None:
        """Be asked for every import."""
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)  # type: ignore[arg-type]

    def remove(self) -> None:
        """Be asked no more."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)  # type: ignore[arg-type]


EAGER = "force_eager"
"""Torch's own word for 'compile nothing'. Its two environment variables are no such switch: with
``TORCH_COMPILE_DISABLE`` ``fullgraph=True`` raises, with ``TORCHDYNAMO_DISABLE`` no
``OptimizedModule`` is made, and the names in a ``state_dict`` are others."""
DYNAMO = "torch._dynamo.eval_frame"


def force_eager() -> None:
    """Have whatever torch.compile compiles run op by op: now, or as soon as dynamo is imported."""
    if DYNAMO in sys.modules:
        _set_stance()
    else:
        Watch(_set_stance, DYNAMO).install()


def _set_stance() -> None:
    dynamo: Any = sys.modules[DYNAMO]
    dynamo._set_stance(dynamo.DynamoStance(EAGER))  # what torch.compiler.set_stance() does
