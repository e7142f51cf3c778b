"""Step through PyTorch's forward and backward in the terminal, node by node, on the real engine.

Importing this package loads neither torch nor a screen: names are looked up when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_MODULES = {
    "Aborted": "gradrepl.errors",
    "AutogradError": "gradrepl.errors",
    "ConditionError": "gradrepl.errors",
    "ConfigError": "gradrepl.errors",
    "GradreplError": "gradrepl.errors",
    "LinkError": "gradrepl.errors",
    "RefusedError": "gradrepl.errors",
    "StateError": "gradrepl.errors",
    "TargetError": "gradrepl.errors",
    "UsageError": "gradrepl.errors",
    "PluginError": "gradrepl.errors",
    "embed": "gradrepl.guest.api",
    "hookimpl": "gradrepl.hookspecs",
    "listen": "gradrepl.guest.api",
    "load_ipython_extension": "gradrepl.line_commands",
    "pm": "gradrepl.guest.api",
    "post_mortem": "gradrepl.guest.api",
    "run": "gradrepl.guest.api",
    "runcall": "gradrepl.guest.api",
    "runeval": "gradrepl.guest.api",
    "set_trace": "gradrepl.guest.api",
    "trace": "gradrepl.traced",
    "unload_ipython_extension": "gradrepl.line_commands",
    "watch": "gradrepl.traced",
}

__all__ = ["__version__", *_MODULES]  # built from the table above


def __getattr__(name: str) -> Any:
    """Load the module that has ``name`` when somebody asks for it."""
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module 'gradrepl' has no attribute '{name}'")


def __dir__() -> list[str]:
    """Names that this package gives."""
    return sorted([*globals(), *_MODULES])
