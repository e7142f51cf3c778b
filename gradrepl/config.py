"""Settings, from four places in rising order: the configuration file, ``[tool.gradrepl]`` of the
project's ``pyproject.toml``, ``GRADREPL_*`` in the environment, the command line.

What would run code (``plugins``, ``commands``) is taken from a project only when it is trusted:
``gradrepl trust``, in the files as they are; when one changes, it must be given anew.

``gradreplrc`` in the configuration folder holds lines that are run before the first prompt of
every session. A project's own ``.gradreplrc`` is run only when it is trusted: a folder that was
merely cloned runs nothing.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import locale
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec
from platformdirs import user_config_path, user_state_path

from gradrepl.errors import ConfigError
from gradrepl.launch import Options, Settings

PREFIX = "GRADREPL_"
RC = ".gradreplrc"
RUNS_CODE = ("plugins", "commands")
"""Settings that a project may have only when it is trusted."""


class Config(Settings, frozen=True, kw_only=True):
    """Every setting there is."""

    client: Literal["auto", "tui", "repl"] = "auto"
    block: tuple[str, ...] = ()


HELP = {
    "client": "auto: the screen where the terminal can have it; repl: the line prompt; tui",
    "theme": "dark, light, contrast, ansi, or a theme of Textual's; T changes it",
    "color": "false: no colour, as NO_COLOR",
    "ascii": "true: draw with ASCII characters only",
    "plain": "true: the line prompt with one fact a line",
    "keys": "preset of the screen's keys: default, vim, vscode, or a plugin's",
    "keymap": "keys by id, over the preset; 'gradrepl config keys' lists the ids",
    "device": "what ':to' takes when no device is said: cpu, cuda, cuda:1, auto",
    "eager": "true: torch.compile compiles nothing",
    "limits": "limits of the verdicts on gradients; ':set health' lists them",
    "plugins": "files of plugins to load",
    "block": "names of plugins not to load",
    "commands": "lines to run before the first prompt",
}
"""What each means, in the order in which they are shown; ``config init`` writes it beside it."""


class Loaded(msgspec.Struct, frozen=True):
    """The settings, and where each comes from."""

    config: Config
    sources: dict[str, str]
    """By name: a file, or a variable of the environment; those left out are the defaults."""
    ignored: tuple[str, ...] = ()
    """Sentences about settings of a project that is not trusted."""


def path() -> Path:
    """Return the configuration file, which may not exist."""
    return user_config_path("gradrepl") / "config.toml"


def project(folder: Path | None = None) -> Path | None:
    """Return the nearest ``pyproject.toml`` from ``folder`` upward, or None."""
    try:
        here = folder or Path.cwd()
    except FileNotFoundError:  # the working folder was deleted
        return None
    files = (each / "pyproject.toml" for each in (here, *here.parents))
    return next((file for file in files if file.is_file()), None)


def load(environment: Mapping[str, str] = os.environ) -> Loaded:
    """Return the settings.

    Raises:
        ConfigError: something cannot be read or understood; says file, key and what is right.
    """
    settings: dict[str, Any] = {}
    sources: dict[str, str] = {}
    ignored: list[str] = []
    for where, table, trusted in _tables():
        for name, value in table.items():
            checked = _checked(where, name, value)
            if name in RUNS_CODE and not trusted:
                ignored.append(
                    f"'{name}' in {where} is not used: 'gradrepl trust' would let it run code."
                )
                continue
            if isinstance(checked, dict):
                checked = {**settings.get(name, {}), **checked}
            settings[name] = checked
            sources[name] = where
    for name in HELP:
        variable = PREFIX + name.upper()
        if text := environment.get(variable):
            settings[name] = _checked(variable, name, _read(name, text), strict=False)
            sources[name] = variable
    return Loaded(Config(**settings), sources, tuple(ignored))


def _tables() -> Iterator[tuple[str, dict[str, Any], bool]]:
    """Yield (file, settings, may it run code) in rising order."""
    if path().is_file():
        yield str(path()), parsed(path()), True
    file = project()
    if file is not None and b"[tool.gradrepl" in _bytes(file):
        table = parsed(file).get("tool", {}).get("gradrepl", {})
        yield f"{file} [tool.gradrepl]", table, is_trusted(file)


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}.") from None


def parsed(file: Path) -> dict[str, Any]:
    """Return the tables of a TOML file.

    Raises:
        ConfigError: it cannot be read, or is no TOML.
    """
    import tomllib

    try:
        return tomllib.loads(_bytes(file).decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{file} is not TOML: {error}.", "https://toml.io shows how.") from None


def _checked(where: str, name: str, value: Any, strict: bool = True) -> Any:
    """Return ``value`` as the setting ``name`` has it; with ``strict`` off, of what texts spell.

    Raises:
        ConfigError: there is no such setting, or it is of another type.
    """
    kinds = get_type_hints(Config)
    if name not in kinds:
        near = difflib.get_close_matches(name, kinds, n=1)
        hint = f"Did you mean '{near[0]}'?" if near else f"There are: {', '.join(HELP)}."
        raise ConfigError(f"{where}: there is no setting '{name}'.", hint)
    try:
        return msgspec.convert(value, kinds[name], strict=strict)
    except msgspec.ValidationError:
        raise ConfigError(
            f"{where}: '{name}' cannot be {value!r}.", f"It is {described(kinds[name])}."
        ) from None


def described(kind: Any) -> str:
    """Say in words what a setting of this type is.

    >>> described(tuple[str, ...])
    'a list of texts'
    """
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(get_args(kind))
    if get_origin(kind) is tuple:
        return "a list of texts"
    if get_origin(kind) is dict:
        of = "numbers" if get_args(kind)[1] is float else "texts"
        return f"a table of {of}"
    return {bool: "true or false", str: "a text"}[kind]


def _read(name: str, text: str) -> Any:
    """Return what a variable of the environment spells."""
    kind = get_type_hints(Config)[name]
    if get_origin(kind) is tuple:
        return [part.strip() for part in text.split(os.pathsep if name == "plugins" else ",")]
    if get_origin(kind) is dict:
        pairs = (part.partition("=") for part in text.split(","))
        return {key.strip(): value.strip() for key, _, value in pairs}
    return {"yes": True, "no": False}.get(text.lower(), text) if kind is bool else text


def options() -> Options:
    """Return the options of a start that says nothing on its command line.

    Raises:
        ConfigError: as :func:`load`.
    """
    loaded = load()
    chosen, notes = loaded.config, loaded.ignored
    if Path(RC).is_file() and not is_trusted(Path(RC)):
        notes += (f"{RC} here is not run: 'gradrepl trust' would let it.",)
    changed = {
        "client": "repl" if chosen.client == "repl" else "",
        "color": chosen.color and not os.environ.get("NO_COLOR"),
        "ascii": chosen.ascii or not _speaks_utf8(),
        "commands": (*start_up_lines(), *chosen.commands),
    }
    same = {name: getattr(chosen, name) for name in Settings.__struct_fields__}
    return Options(**{**same, **changed}, blocked=chosen.block, notes=notes)


def _speaks_utf8() -> bool:
    encoding = getattr(sys.stdout, "encoding", None) or locale.getpreferredencoding(False)
    return encoding.lower().replace("-", "") == "utf8"


# -- start-up files, and which projects may run code ----------------------------------------------


def _store() -> Path:
    return user_state_path("gradrepl") / "trusted.json"


def _known() -> dict[str, str]:
    try:
        known = json.loads(_store().read_text())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _digest(file: Path) -> str:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        return ""


def is_trusted(file: Path) -> bool:
    """Has the user said that this file, as it is now, may run code?"""
    digest = _digest(file)
    return bool(digest) and _known().get(str(file.resolve())) == digest


def trust(folder: Path) -> list[Path]:
    """Trust the start-up file and the settings of a project, as they are; return the files.

    Raises:
        ConfigError: there are none, or it cannot be remembered.
    """
    files = [file for file in (folder / RC, folder / "pyproject.toml") if file.is_file()]
    if not files:
        raise ConfigError(f"there is neither {RC} nor pyproject.toml in '{folder}'.")
    _remember(_known() | {str(file.resolve()): _digest(file) for file in files})
    return files


def untrust(folder: Path) -> None:
    """Take the trust in a project back.

    Raises:
        ConfigError: it cannot be remembered.
    """
    gone = folder.resolve()
    _remember({name: of for name, of in _known().items() if Path(name).parent != gone})


def _remember(known: dict[str, str]) -> None:
    store = _store()
    try:
        store.parent.mkdir(parents=True, exist_ok=True)
        new = store.with_suffix(".new")
        new.write_text(json.dumps(known, indent=1))
        os.replace(new, store)
    except OSError as error:
        raise ConfigError(f"'{store}' cannot be written: {error.strerror}.") from None


def start_up_lines() -> tuple[str, ...]:
    """Return the lines of the user's start-up file, then those of this folder's, if trusted."""
    lines: list[str] = []
    for file in (user_config_path("gradrepl") / "gradreplrc", Path(RC)):
        if file.is_file() and (file.name != RC or is_trusted(file)):
            try:
                lines += file.read_text().splitlines()
            except (OSError, UnicodeDecodeError) as error:
                raise ConfigError(f"{file} cannot be read: {error}.") from None
    return tuple(line for line in lines if line.strip() and not line.lstrip().startswith("#"))
