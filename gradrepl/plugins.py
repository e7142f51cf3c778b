"""Plugins: found, loaded, blocked, and called one by one; one that raises is disabled and named.

They come from the entry points of the group ``gradrepl``, from ``--plugin FILE``, and from the
folder ``plugins`` beside the configuration. There is one :class:`Plugins` in a process.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib import util
from importlib.abc import MetaPathFinder
from importlib.metadata import entry_points
from pathlib import Path
from traceback import walk_tb
from types import ModuleType
from typing import Any

import platformdirs
import pluggy
from msgspec.structs import replace

from gradrepl import draw, hookspecs
from gradrepl.draw.ink import Line
from gradrepl.errors import GradreplError, PluginError
from gradrepl.model import PluginInfo, Record

GROUP = "gradrepl"
FOREIGN = {"client": ("torch",), "program": ("textual", "prompt_toolkit")}
"""What a plugin must not import where: the half of the other process does."""


class Plugins:
    """The plugins of this process; ``side`` is 'client' or 'program'."""

    def __init__(self, side: str) -> None:
        self.side = side
        self.rows: dict[str, PluginInfo] = {}
        self.taken: set[str] = set()
        """Those whose words and screens are in a client's tables already."""
        self.tell: Callable[[str], None] = lambda sentence: None
        """Where a sentence about a plugin that fails goes."""
        self.on_disabled: Callable[[str], None] = lambda name: None
        """Takes out of a client's tables what the plugin had put there."""
        self._manager = pluggy.PluginManager(GROUP)
        self._manager.add_hookspecs(hookspecs)

    # -- finding ---------------------------------------------------------------------------

    def load(self, files: Sequence[str] = (), blocked: Sequence[str] = ()) -> None:
        """Load all that are found and not known yet; one that cannot be is named."""
        for name, origin, make, version in _found(files):
            if name in self.rows:
                continue
            row = PluginInfo(name=name, origin=origin, version=version, side=self.side)
            self.rows[name] = row
            if name in blocked:
                self.rows[name] = replace(row, state="blocked")
                continue
            try:
                with _kept_out(*FOREIGN[self.side]):
                    plugin = make()
                self.register(plugin, name, origin, version)
            except Exception as error:  # a stranger's code
                self.disable(name, error, "its import")

    def register(self, plugin: Any, name: str, origin: str = "", version: str = "") -> None:
        """Take ``plugin`` in: a module, or an object, with hooks."""
        self._manager.register(plugin, name)
        hooks = sorted(each.name for each in self._manager.get_hookcallers(plugin) or ())
        named = [word for word in dir(plugin) if word.startswith("gradrepl_")]
        unknown = [
            word
            for word in named
            if not hasattr(hookspecs, word) and callable(getattr(plugin, word, None))
        ]
        self.rows[name] = PluginInfo(
            name=name,
            origin=origin,
            version=version,
            side=self.side,
            hooks=tuple(hook.removeprefix("gradrepl_") for hook in hooks),
            problem=f"there is no hook {unknown[0]}" if unknown else "",
        )

    def files(self) -> Iterator[str]:
        """Yield the file of each plugin that is a module, or the folder of one that has several."""
        for plugin in self._manager.get_plugins():
            file = getattr(plugin, "__file__", None)
            if file is not None:
                yield file if not hasattr(plugin, "__path__") else str(Path(file).parent) + os.sep

    # -- calling ---------------------------------------------------------------------------

    def has(self, hook: str) -> bool:
        """Does any plugin have this hook?"""
        return bool(getattr(self._manager.hook, hook).get_hookimpls())

    def call(self, hook: str, **given: Any) -> Iterator[tuple[str, Any]]:
        """Yield (plugin, what it returned) in the order of loading; None is left out.

        Raises:
            GradreplError: a plugin says that something is wrong or not possible.
        """
        for each in getattr(self._manager.hook, hook).get_hookimpls():
            result = None
            with self._guarded(each.plugin_name, hook):
                result = each.function(*(given[word] for word in each.argnames))
                if isinstance(result, Iterator):
                    result = list(result)
            if result is not None:
                yield each.plugin_name, result

    @contextmanager
    def _guarded(self, name: str, where: str) -> Iterator[None]:
        """Run a plugin's code: what it raises disables it, but for what the user got wrong."""
        try:
            yield
        except GradreplError:
            raise
        except Exception as error:  # a stranger's code
            self.disable(name, error, where)

    def notify(self, hook: str, **given: Any) -> None:
        """Call a hook of those that only look on."""
        for _ in self.call(hook, **given):
            pass

    async def awaited(self, hook: str, **given: Any) -> list[Any]:
        """Return what each plugin's hook, a coroutine, returned; None is left out.

        Raises:
            GradreplError: a plugin says that something is not possible.
        """
        results = []
        for name, waiting in self.call(hook, **given):
            with self._guarded(name, hook):
                results.append(await waiting)
        return [result for result in results if result is not None]

    def drawn(self, record: Record, look: draw.Look) -> list[Line] | None:
        """Return ``record`` as lines of (text, role), if a plugin brings its drawing."""
        for name, drawings in self.call("gradrepl_drawings"):
            draw_record = drawings.get(type(record))
            if draw_record is None:
                continue
            try:
                return list(draw_record(record, look))
            except Exception as error:  # a stranger's code
                self.disable(name, error, f"the drawing of {type(record).__name__}")
        return None

    def flat(self, hook: str, **given: Any) -> Iterator[tuple[str, Any]]:
        """Yield (plugin, item) for each item of what each plugin returned."""
        for name, result in self.call(hook, **given):
            items: list[Any] = []
            with self._guarded(name, hook):
                items = list(result)
            for item in items:
                yield name, item

    def disable(self, name: str, error: BaseException, where: str) -> None:
        """Take a plugin out because of ``error``, and say so."""
        if self._manager.has_plugin(name):
            self._manager.unregister(name=name)
        message = f"{type(error).__name__}: {error}".strip(": ")
        lines = [(frame.f_code.co_filename, line) for frame, line in walk_tb(error.__traceback__)]
        last = next((each for each in reversed(lines) if _theirs(each[0])), None)
        place = f" ({Path(last[0]).name}:{last[1]})" if last is not None else ""
        problem = f"{where} raised {message}{place}"
        self.rows[name] = replace(self.rows[name], state="disabled", problem=problem)
        self.on_disabled(name)
        self.tell(f"the plugin '{name}' is disabled: {problem}.")


def _theirs(file: str) -> bool:
    return "importlib" not in file and file != __file__


def _found(files: Sequence[str]) -> Iterator[tuple[str, str, Callable[[], Any], str]]:
    """Yield (name, where from, what loads it, version) of every plugin there is."""
    for file in files:
        yield _stem(file), file, partial(_module, Path(file)), ""
    folder = platformdirs.user_config_path("gradrepl") / "plugins"
    for path in sorted(folder.glob("*.py")) if folder.is_dir() else ():
        yield _stem(path), str(path), partial(_module, path), ""
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        dist = point.dist
        origin, version = (dist.name, dist.version) if dist is not None else ("", "")
        yield point.name, origin, point.load, version


def _stem(file: str | Path) -> str:
    return Path(file).stem.removeprefix("gradrepl_")


def _module(path: Path) -> ModuleType:
    """Import the file at ``path`` under a name that nothing of the user's has.

    Raises:
        PluginError: there is no such file.
    """
    if not path.is_file():
        raise PluginError(f"there is no file '{path}'.", "--plugin takes the path of a .py file.")
    name = f"gradrepl_plugin_{path.stem}"
    spec = util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


class _KeepOut(MetaPathFinder):
    """Refuses to import some packages in one thread, for a while."""

    def __init__(self, packages: tuple[str, ...]) -> None:
        self._packages = packages
        self._thread = threading.get_ident()

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> None:
        """Refuse, or leave it to others."""
        if threading.get_ident() != self._thread:
            return
        if fullname.partition(".")[0] in self._packages:
            raise PluginError(f"{fullname} belongs to the other half: import it inside a hook.")


@contextmanager
def _kept_out(*packages: str) -> Iterator[None]:
    finder = _KeepOut(packages)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


_here: Plugins | None = None


def here(side: str = "client") -> Plugins:
    """Return the plugins of this process; none is loaded by asking."""
    global _here
    if _here is None:
        _here = Plugins(side)
    return _here


draw.others.append(lambda record, look: here().drawn(record, look))
