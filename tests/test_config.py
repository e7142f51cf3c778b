"""Settings: four places in rising order, errors that say where, trust, and the keys."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gradrepl import cli, config
from gradrepl.errors import ConfigError
from gradrepl.launch import Options
from gradrepl.tui import keymaps


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("GRADREPL_")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    (tmp_path / "config" / "gradrepl").mkdir(parents=True)
    return tmp_path


def write(home: Path, text: str) -> Path:
    file = home / "config" / "gradrepl" / "config.toml"
    file.write_text(text)
    return file


def run(*words: str) -> Any:
    return subprocess.run(
        [sys.executable, "-m", "gradrepl", *words], capture_output=True, text=True, timeout=60
    )


def parse(argv: list[str]) -> Options:
    return cli.options(cli.read(argv)[1])


def test_four_places_in_rising_order(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert parse([]).theme == "dark"
    file = write(home, 'theme = "light"\nascii = true\n[keymap]\n"command.step" = "j2"\n')
    assert parse([]).theme == "light"
    project = home / "work" / "pyproject.toml"
    project.write_text('[tool.gradrepl]\ntheme = "nord"\nkeymap = {"command.next" = "k2"}\n')
    assert parse([]).theme == "nord"
    assert parse([]).keymap == {"command.step": "j2", "command.next": "k2"}
    monkeypatch.setenv("GRADREPL_THEME", "contrast")
    assert parse([]).theme == "contrast"
    assert parse(["--theme", "ansi"]).theme == "ansi"
    sources = config.load().sources
    assert sources["theme"] == "GRADREPL_THEME"
    assert sources["ascii"] == str(file)
    assert sources["keymap"].startswith(str(project))
    assert parse([]).ascii


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        ('tehme = "x"', "there is no setting 'tehme'", "Did you mean 'theme'?"),
        ("xyz = 1", "there is no setting 'xyz'", "There are: client, theme,"),
        ('ascii = "yes"', "'ascii' cannot be 'yes'", "It is true or false."),
        ('client = "gui"', "'client' cannot be 'gui'", "It is one of auto, tui, repl."),
        ("plugins = 3", "'plugins' cannot be 3", "It is a list of texts."),
        ('limits = {dead = "x"}', "'limits' cannot be {'dead': 'x'}", "It is a table of numbers."),
        ("theme = ", "is not TOML: Invalid value (at end of document)", "https://toml.io"),
    ],
)
def test_errors_name_file_key_and_what_is_right(
    home: Path, text: str, said: str, hint: str
) -> None:
    file = write(home, text)
    with pytest.raises(ConfigError) as caught:
        config.load()
    assert str(file) in str(caught.value)
    assert said in str(caught.value)
    assert caught.value.hint.startswith(hint)


def test_variables_of_every_type(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in {
        "ASCII": "1", "COLOR": "no", "COMMANDS": "p 1, p 2", "BLOCK": "layers",
        "LIMITS": "vanishing=1e-9,dead=0.9", "KEYMAP": "command.step=x", "CLIENT": "repl",
    }.items():  # fmt: skip
        monkeypatch.setenv(f"GRADREPL_{name}", text)
    found = parse([])
    assert (found.ascii, found.color, found.client) == (True, False, "repl")
    assert found.commands == ("p 1", "p 2")
    assert found.blocked == ("layers",)
    assert found.limits == {"vanishing": 1e-9, "dead": 0.9}
    assert found.keymap == {"command.step": "x"}
    monkeypatch.setenv("GRADREPL_LIMITS", "dead=much")
    with pytest.raises(ConfigError, match="GRADREPL_LIMITS: 'limits' cannot be"):
        parse([])


def test_the_start_up_file_of_a_project_runs_only_when_it_is_trusted(home: Path) -> None:
    (home / "config" / "gradrepl" / "gradreplrc").write_text("# mine\n\nalias hi p 1\n")
    (home / "work" / ".gradreplrc").write_text("p 'from the project'\n")
    (home / "work" / "pyproject.toml").write_text('[tool.gradrepl]\ncommands = ["p 3"]\n')
    found = parse(["-c", "p 4"])
    assert found.commands == ("alias hi p 1", "p 4")
    assert len(found.notes) == 2
    assert all("gradrepl trust" in note for note in found.notes)
    config.trust(Path.cwd())
    found = parse(["-c", "p 4"])
    assert found.commands == ("alias hi p 1", "p 'from the project'", "p 3", "p 4")
    assert found.notes == ()
    (home / "work" / ".gradreplrc").write_text("p 'changed'\n")
    assert parse([]).commands == ("alias hi p 1", "p 3")
    config.trust(Path.cwd())
    assert "p 'changed'" in parse([]).commands
    config.untrust(Path.cwd())
    assert parse([]).commands == ("alias hi p 1",)


def test_a_link_to_a_trusted_file_elsewhere_is_no_trust(home: Path) -> None:
    other = home / "other"
    other.mkdir()
    (other / ".gradreplrc").write_text("p 1\n")
    config.trust(other)
    (home / "work" / ".gradreplrc").write_text("p 1\n")
    assert config.start_up_lines() == ()


def test_config_init_show_validate_and_path(home: Path) -> None:
    done = run("config", "init")
    file = home / "config" / "gradrepl" / "config.toml"
    assert done.stdout.strip() == str(file)
    assert run("config", "init").returncode == 2
    assert run("config", "path").stdout.strip() == str(file)
    assert "No settings to check: using defaults." in run("config", "validate").stdout
    text = file.read_text()
    for name in config.HELP:
        assert f"# {name} = " in text
    every = "\n".join(line[2:] for line in text.splitlines() if " = " in line)
    file.write_text(every)  # every default is itself a right setting
    assert f"{len(config.HELP)} settings are right: {file}" in run("config", "validate").stdout
    assert f'theme = "dark"  # {file}' in run("config", "show").stdout
    assert set(config.HELP) == {field for field in config.Config.__struct_fields__}
    bad = run("config", "nosuch")
    assert bad.returncode == 2
    assert "One of path, show, validate, init, keys" in bad.stderr


def test_validate_sees_the_keys(home: Path) -> None:
    write(home, '[keymap]\n"command.stpe" = "x"\n')
    done = run("config", "validate")
    assert done.returncode == 2
    assert "there is no key with the id 'command.stpe'" in done.stderr
    assert "command.step" in done.stderr


def test_a_plugin_brings_a_preset_of_keys(home: Path) -> None:
    (home / "work" / "mine.py").write_text(
        "import gradrepl\n@gradrepl.hookimpl\ndef gradrepl_keymaps():\n"
        "    return {'mine': {'command.step': 'z'}}\n"
    )
    write(home, 'keys = "mine"\n')
    assert "there is no preset of keys 'mine'" in run("config", "validate").stderr
    write(home, 'keys = "mine"\nplugins = ["mine.py"]\n')
    assert "2 settings are right" in run("config", "validate").stdout
    assert 'command.step = "z"' in run("config", "keys").stdout


def test_every_preset_is_without_clash_and_a_clash_is_said() -> None:
    for name in keymaps.PRESETS:
        keymaps.chosen(name, {})
    with pytest.raises(ConfigError, match=r"'n' would be both 'command.step' and 'command.next'"):
        keymaps.chosen("default", {"command.step": "n"})
    with pytest.raises(ConfigError, match="there is no preset of keys 'emacs'"):
        keymaps.chosen("emacs", {})


def test_doctor_says_what_a_bug_report_needs(home: Path) -> None:
    write(home, 'theme = "light"\n')
    text = run("doctor").stdout
    known = ("gradrepl 0.", "python 3.", "torch 2.", "cuda ", "terminal none", "theme from")
    for word in (*known, "private parts of torch: "):
        assert word in text


def test_a_wrong_setting_stops_nothing_that_runs(home: Path) -> None:
    write(home, "tehme = 1\n")
    from gradrepl import client

    assert "settings are not used" in client.settings().notes[0]
    assert run("--version").returncode == 0
    assert run("--repl", "x.py").returncode == 2


def test_names_of_keys_as_the_terminal_sends_them() -> None:
    from gradrepl.subcommands import named

    assert named(b"\x1b[A") == ["up"]
    assert named(b"s") == ["s"]
    assert named(b"\x06") == ["ctrl+f"]
    assert named(b"\x1b[21~") == ["f10"]
