"""The command line: whose each word is, what is wrong in a sentence, and what a shell completes."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from gradrepl import cli, subcommands
from gradrepl.cli import main
from gradrepl.errors import UsageError


@pytest.mark.parametrize(
    ("line", "asked"),
    [
        ("", {}),
        ("train.py --json -c x", {"target": "train.py", "args": ("--json", "-c", "x")}),
        ("--json train.py", {"json": True, "target": "train.py", "args": ()}),
        ("-c -x -c=y", {"commands": ["-x", "y"]}),
        ("-m part -x -- y", {"target": "part", "module": True, "args": ("-x", "--", "y")}),
        ("-mpart --json", {"target": "part", "module": True, "args": ("--json",)}),
        ("-- -x", {"target": "-x", "args": ()}),
        ("- x", {"target": "-", "args": ("x",)}),
        ("--listen train.py", {"address": "", "target": "train.py", "args": ()}),
        ("--listen tcp://h:1 t.py", {"address": "tcp://h:1", "target": "t.py", "args": ()}),
        ("--listen=path t.py", {"address": "path", "target": "t.py", "args": ()}),
        ("--device cuda:1 --theme=nord", {"device": "cuda:1", "theme": "nord"}),
        ("--plain --tui", {"plain": False, "color": False, "client": ""}),
        ("-p no:layers -p no:picture", {"blocked": ["layers", "picture"]}),
    ],
)
def test_whose_a_word_is(line: str, asked: dict[str, Any]) -> None:
    assert cli.read(line.split()) == ("", asked)


@pytest.mark.parametrize(
    ("line", "word", "asked"),
    [
        ("attach", "attach", {"target": ""}),
        ("--repl -c w attach 7", "attach", {"target": "7", "client": "repl", "commands": ["w"]}),
        ("--json attach 7 --ascii", "attach", {"target": "7", "json": True, "ascii": True}),
        ("config", "config", {"word": "show"}),
        ("config path", "config", {"word": "path"}),
        ("trust --off there", "trust", {"off": True, "folder": "there"}),
        ("completion zsh", "completion", {"shell": "zsh"}),
    ],
)
def test_subcommands_with_options_before_and_behind(
    line: str, word: str, asked: dict[str, Any]
) -> None:
    assert cli.read(line.split()) == (word, asked)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--nonsense x.py", "there is no option '--nonsense'."),
        ("-x=3", "there is no option '-x=3'."),
        ("-m", "'-m' needs the name of a module."),
        ("--json -c", "'-c' needs a command."),
        ("--theme", "'--theme' needs a name."),
        ("--device", "'--device' needs the name of a device."),
        ("--device gpu x.py", "'gpu' is not a device."),
        ("--device meta x.py", "'meta' is not a device."),
        ("--plugin nowhere.py", "there is no file 'nowhere.py'."),
        ("-p layers", "'-p layers' is not understood."),
        ("config nosuch", "'gradrepl config nosuch' is not understood."),
        ("config path more", "'gradrepl config' does not take 'more'."),
        ("--json doctor", "'gradrepl doctor' does not take '--json'."),
        ("attach --eager", "'gradrepl attach' does not take '--eager'."),
        ("trust a b", "'gradrepl trust' does not take 'b'."),
    ],
)
def test_what_is_wrong_is_one_sentence_and_a_hint(line: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        cli.read(line.split())
    assert str(caught.value) == said
    assert caught.value.hint


def test_a_file_with_the_name_of_a_subcommand_is_the_script(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    assert cli.read(["config"])[0] == "config"
    (tmp_path / "keys").touch()
    assert cli.read(["keys"]) == ("", {"target": "keys", "args": ()})


@pytest.mark.parametrize("word", ["", *cli.SUBCOMMANDS])
def test_help_of_each(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([word, "--help"] if word else ["--help"])
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: gradrepl {word or '[options]'}")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("gradrepl tr", "train.py trust"),
        ("gradrepl --js", "--json"),
        ("gradrepl config v", "validate"),
        ("gradrepl --repl attach --re", "--repl"),
    ],
)
def test_bash_completes_files_options_and_words(tmp_path: Path, line: str, words: str) -> None:
    (tmp_path / "train.py").touch()
    typed = f"COMP_WORDS=({line}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _gradrepl\n"
    script = f"{subcommands.completion('bash', *cli.parsers())}\n{typed}echo ${{COMPREPLY[@]}}"
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.stderr) == (f"{words}\n", "")


def test_every_shell_gets_every_word_and_option() -> None:
    root, parsers = cli.parsers()
    words = [
        *parsers,
        *(name.lstrip("-") for each in root._actions for name in each.option_strings),
    ]
    for shell in cli.SHELLS:
        script = subcommands.completion(shell, *cli.parsers())
        assert [word for word in words if word not in script] == []
