"""Settings, from four places in rising order: the configuration file, ``[tool.gradrepl]`` of the
project's ``pyproject.toml``, ``GRADREPL_*`` in the environment, the command line.

What would run code (``plugins``, ``commands``) is taken from a project only when it is trusted:
see :mod:`gradrepl.trust`.
"""

from __future__ import annotations

import difflib
import locale
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec
from msgspec.structs import fields
from platformdirs import user_config_path

from gradrepl import trust
from gradrepl.errors import ConfigError
from gradrepl.launch import Options

PREFIX = "GRADREPL_"
OLD = {"face": "client"}
"""Settings that had another name."""
RUNS_CODE = ("plugins", "commands")
"""Settings that a project may have only when it is trusted."""


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """Every setting there is; the comment of each is what ``config init`` writes beside it."""

    client: Literal["auto", "tui", "repl"] = "auto"
    theme: str = "dark"
    color: bool = True
    ascii: bool = False
    plain: bool = False
    keys: str = "default"
    keymap: dict[str, str] = {}
    device: str = ""
    eager: bool = False
    limits: dict[str, float] = {}
    plugins: tuple[str, ...] = ()
    block: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()


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
    here = folder or Path.cwd()
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
        for key, value in table.items():
            name = OLD.get(key, key)
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
    for name, text in _variables(environment):
        settings[name] = _checked(PREFIX + name.upper(), name, _read(name, text))
        sources[name] = PREFIX + name.upper()
    return Loaded(Config(**settings), sources, tuple(ignored))


def _tables() -> Iterator[tuple[str, dict[str, Any], bool]]:
    """Yield (file, settings, may it run code) in rising order."""
    if path().is_file():
        yield str(path()), parsed(path()), True
    file = project()
    if file is not None and b"[tool.gradrepl" in _bytes(file):
        table = parsed(file).get("tool", {}).get("gradrepl", {})
        yield f"{file} [tool.gradrepl]", table, trust.is_trusted(file)


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
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not TOML: {error}.", "https://toml.io shows how.") from None


def _checked(where: str, name: str, value: Any) -> Any:
    """Return ``value`` as the setting ``name`` has it.

    Raises:
        ConfigError: there is no such setting, or it is of another type.
    """
    kinds = get_type_hints(Config)
    if name not in kinds:
        near = difflib.get_close_matches(name, kinds, n=1)
        hint = f"Did you mean '{near[0]}'?" if near else f"There are: {', '.join(kinds)}."
        raise ConfigError(f"{where}: there is no setting '{name}'.", hint)
    try:
        return msgspec.convert(value, kinds[name])
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


def _variables(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name in (*OLD, *(each.name for each in fields(Config))):
        text = environment.get(PREFIX + name.upper())
        if text:
            yield OLD.get(name, name), text


def _read(name: str, text: str) -> Any:
    """Return what a variable of the environment spells."""
    kind = get_type_hints(Config)[name]
    if kind is bool:
        words = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
        return words.get(text.lower(), text)
    if get_origin(kind) is tuple:
        return [part.strip() for part in text.split(os.pathsep if name == "plugins" else ",")]
    if get_origin(kind) is dict:
        pairs = (part.partition("=") for part in text.split(","))
        number = get_args(kind)[1] is float
        return {key.strip(): _number(value) if number else value.strip() for key, _, value in pairs}
    return text


def _number(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text


def options() -> Options:
    """Return the options of a start that says nothing on its command line.

    Raises:
        ConfigError: as :func:`load`.
    """
    loaded = load()
    chosen, notes = loaded.config, loaded.ignored
    if trust.waiting():
        notes += (f"{trust.RC} here is not run: 'gradrepl trust' would let it.",)
    return Options(
        client="repl" if chosen.client == "repl" else "",
        theme=chosen.theme,
        color=chosen.color and not os.environ.get("NO_COLOR"),
        ascii=chosen.ascii or not _speaks_utf8(),
        plain=chosen.plain,
        keys=chosen.keys,
        keymap=chosen.keymap,
        device=chosen.device,
        eager=chosen.eager,
        plugins=chosen.plugins,
        blocked=chosen.block,
        commands=(*trust.lines(), *chosen.commands),
        limits=chosen.limits,
        notes=notes,
    )


def _speaks_utf8() -> bool:
    encoding = getattr(sys.stdout, "encoding", None) or locale.getpreferredencoding(False)
    return encoding.lower().replace("-", "") == "utf8"
