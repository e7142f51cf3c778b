"""Step through PyTorch's forward and backward in the terminal, node by node, on the real engine.

Importing this package loads neither torch nor a screen: names are looked up when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_NAMES = {
    "errors": "Aborted AutogradError ConditionError ConfigError GradreplError LinkError PluginError"
    " RefusedError StateError TargetError UsageError",
    "guest.api": "embed listen pm post_mortem run runcall runeval set_trace",
    "hookspecs": "hookimpl",
    "line_commands": "load_ipython_extension unload_ipython_extension",
    "traced": "check trace watch",
}
"""By module."""
_MODULES = {name: module for module, names in _NAMES.items() for name in names.split()}

__all__ = ["__version__", *_MODULES]  # built from the table above


def __getattr__(name: str) -> Any:
    """Load the module that has ``name`` when somebody asks for it."""
    if name in _MODULES:
        return getattr(import_module(f"gradrepl.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'gradrepl' has no attribute '{name}'")


def __dir__() -> list[str]:
    """Names that this package gives."""
    return sorted([*globals(), *_MODULES])
