"""What typed lines mean, and the life of a debuggee, told with a debuggee without torch."""

import ast
import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gradrepl import conditions, model, protocol
from gradrepl.commands import registry
from gradrepl.commands.conversation import Conversation, History
from gradrepl.commands.entry import fragment, needs_more, split_entries
from gradrepl.commands.registry import command, find, split_word
from gradrepl.commands.session import example_files
from gradrepl.commands.table import COMMANDS, WORDS
from gradrepl.draw.numbers import describe_exit
from gradrepl.errors import GradreplError, TargetError, UsageError
from gradrepl.launch import Options, check_target

FAKE = str(Path(__file__).with_name("fake_debuggee.py"))
SECONDS = 20


def told(record):
    """One record as a short phrase."""
    match record:
        case model.Stop(op=op, depth=depth):
            return f"stop {op.name}" + (f" depth {depth}" if depth > 1 else "")
        case model.Value(text=text):
            return text
        case model.Error(message=message, hint=hint):
            return f"! {message} {hint}".strip()
        case model.Notice(message=message):
            return f"- {message}"
        case model.Ended(code=code):
            return f"ended {code}"
        case model.Gone(how=how):
            return f"gone, {how}"
        case model.BreakpointInfo(id=number, text=text):
            return f"breakpoint {number} {text}"
    return type(record).__name__


class Scene:
    """A conversation with the fake debuggee that remembers what it has shown."""

    def __init__(self, **options):
        self.seen = []
        self.talk = Conversation(Options(engine=(FAKE,), **options), self._show)
        self._shown = asyncio.Event()

    def _show(self, record):
        self.seen.append(told(record))
        self._shown.set()

    async def wait(self, phrase):
        """Wait until something has been shown."""
        while phrase not in self.seen:
            self._shown.clear()
            await self._shown.wait()

    async def lines(self, *lines):
        """Enter lines; return what came of them."""
        del self.seen[:]
        for line in lines:
            await self.talk.enter(line)
        return self.seen[:]


def play(scene, **options):
    """Run ``scene(Scene)`` in a loop of its own, and leave no process behind."""

    async def whole():
        stage = Scene(**options)
        try:
            await asyncio.wait_for(stage.talk.start(), SECONDS)
            return await asyncio.wait_for(scene(stage), SECONDS)
        finally:
            await stage.talk.close()

    return asyncio.run(whole())


def typed(*lines, **options):
    """Start, type lines, and return everything that was shown."""

    async def scene(stage):
        first = stage.seen[:]
        return first + await stage.lines(*lines)

    return play(scene, **options)


SCRIPT = {"target": "train.py"}
NO_STOP = "':step STATEMENT' runs a statement and stops at its first op or node."


# -- what a line means -------------------------------------------------------------------------


def test_python_at_the_idle_prompt():
    assert typed("x = 20", "x + 1", "x?", "# nothing", "", "1/0") == [
        "21", "20", "! ZeroDivisionError: division by zero",
    ]  # fmt: skip


def test_a_script_stops_first_and_is_stepped():
    assert typed("s", "n", "c", **SCRIPT) == [
        "stop linear", "stop relu", "stop cross_entropy", "ended 3",
    ]  # fmt: skip


def test_an_empty_line_repeats_step_words_only():
    assert typed("s", "", "p 1", "", **SCRIPT) == [
        "stop linear", "stop relu", "stop cross_entropy", "1",
    ]  # fmt: skip


def test_a_name_wins_over_a_command_and_says_so():
    assert typed("n = 4", "n", "n * 2", ":n", "n 1", "%c", **SCRIPT) == [
        "stop linear",
        "- 'n' is a name here; ':n' is the command.", "4",
        "- 'n' is a name here; ':n' is the command.", "8",
        "stop relu", "stop cross_entropy", "ended 3",
    ]  # fmt: skip


def test_marks_decide():
    assert typed("!1 + 1", "! n = 5", "!n", ":p n", **SCRIPT) == ["stop linear", "2", "5", "5"]


def test_assignments_and_calls_are_python_whatever_the_word():
    assert typed("s = 3", "c=4", "a, b = 1, 2", "p(1)", "s + c", "names = [a, b]") == [
        "! NameError: name 'p' is not defined", "7",
    ]  # fmt: skip


def test_step_words_need_a_stop():
    assert typed("c", ":n") == [
        f"! 'continue' needs a stop, and nothing is stopped. {NO_STOP}",
        f"! 'next' needs a stop, and nothing is stopped. {NO_STOP}",
    ]


def test_unknown_words_give_the_nearest():
    no = "! there is no command"
    assert typed(":stpe", "contineu", "brek op relu", ":zzzz", "unknown", **SCRIPT)[1:] == [
        f"{no} 'stpe'. Did you mean ':step'?",
        f"{no} or name 'contineu'. Did you mean ':continue'?",
        f"{no} 'brek'. Did you mean ':break'?",
        f"{no} 'zzzz'. ':help' lists all commands.",
        "! NameError: name 'unknown' is not defined",
    ]


def test_unknown_words_at_the_idle_prompt():
    assert typed("contineu", "contineu = 1", "contineu", "prin", "print", "unknown") == [
        "! there is no command or name 'contineu'. Did you mean ':continue'?", "1",
        "! there is no command or name 'prin'. Did you mean ':print'?",
        "! 'print' needs EXPR. Write: print EXPR",
        "! NameError: name 'unknown' is not defined",
    ]  # fmt: skip


def test_pythons_own_way_to_leave():
    async def scene(stage):
        seen = await stage.lines("exit = lambda: 7", "exit()", "del exit", "exit()")
        return seen, stage.talk.finished, stage.talk.exit_code

    assert play(scene) == (["7"], True, 0)


def test_two_semicolons_separate():
    assert typed("1 ;; 2", "';;'", ":step 1 + 1 ;; c") == ["1", "2", "';;'", "stop linear", "2"]
    assert split_entries("for i in x:\n  ';;'") == ["for i in x:\n  ';;'"]


def test_a_stop_inside_a_stop():
    async def scene(stage):
        seen = await stage.lines(":step 2 + 3")
        inner = stage.talk.stop.depth
        seen += await stage.lines("c")
        return seen, inner, stage.talk.stop.depth, stage.talk.state

    assert play(scene, **SCRIPT) == (["stop linear depth 2", "5"], 2, 1, "forward")


def test_interact_makes_everything_python():
    assert typed(":interact", "c = 9", "c", ":interact", ":c", **SCRIPT)[1:] == [
        "- Everything is Python now; ':interact' ends it.", "9",
        "- Words are commands again.", "ended 3",
    ]  # fmt: skip


def test_aliases():
    assert typed("alias add p %1 + %2", "add 2 3", "alias all p [%*]", "all 1, 2", "unalias add",
                 ":unalias add") == [
        "- 'add' stands for 'p %1 + %2'.", "5", "- 'all' stands for 'p [%*]'.", "[1, 2]",
        "- 'add' is no longer an alias.", "! there is no alias 'add'. 'alias' lists them.",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "stopped", "more"),
    [
        ("for i in x:", False, True),
        ("for i in x:\n  y", False, True),
        ("for i in x:\n  y\n", False, False),
        ("f(1,", False, True),
        ("x = 1", False, False),
        ("1 +* 2", False, False),
        ("await f()", False, False),
        ("@decorate", False, True),
        ("b (1,", True, False),
        (":b (1,", False, False),
        ("!f(1,", True, True),
        ("commands 1", True, True),
        (":commands 1\nc", False, True),
        ("commands 1\nc\nend", True, False),
        ("", True, False),
        ("x = 1\ny = 2", False, False),
        ("x = '''", True, True),
    ],
)
def test_when_an_entry_is_complete(text, stopped, more):
    assert needs_more(text, stopped) is more


@pytest.mark.parametrize(
    ("text", "word"),
    [("step 3", "step"), ("s", "s"), ("s = 3", ""), ("s == 3", "s"), ("s.x", ""), ("s(3)", ""),
     ("s += 1", ""), ("p -x", "p"), ("a, b", ""), ("b op x, i >= 3", "b"), ("7", "")],
)  # fmt: skip
def test_the_first_word(text, word):
    assert split_word(text)[0] == word


def test_a_command_may_have_a_name_of_two_words(monkeypatch):
    @command("step twice", group="Stepping")
    async def twice(talk, count: registry.Count = 1):
        """Step two times COUNT."""

    monkeypatch.setitem(registry.WORDS, "step twice", twice.command)
    assert find("step", "twice 3") == (twice.command, "3")
    assert find("step", "twice") == (twice.command, "")
    assert find("step", "3") == (WORDS["step"], "3")
    assert find("s", "") == (WORDS["s"], "")
    assert twice.command.usage == "step twice [COUNT]"


# -- breakpoints -------------------------------------------------------------------------------


def test_commands_of_a_breakpoint_run_when_it_stops():
    assert typed("b op relu", "commands 1\nsilent\np 6 * 7\nc\nend", "c", **SCRIPT) == [
        "stop linear", "breakpoint 1 op relu", "breakpoint 1 op relu", "42", "ended 3",
    ]  # fmt: skip


def test_a_wrong_condition_is_refused_here():
    first, second = typed("b leaf", "b op relu, i >")
    assert "needs a word after it" in first
    assert "not a Python expression" in second


def test_restart_keeps_breakpoints_and_displays(tmp_path):
    script = tmp_path / "train.py"
    script.write_text("pass")

    async def scene(stage):
        await stage.lines("tbreak op gelu", "b op relu", "commands 2\np 1\nend", "display 1 + 1")
        old = stage.talk.pid
        seen = await stage.lines(":restart --lr 2", "c", "argv", "talk.shown")
        return seen, old != stage.talk.pid, stage.talk.session.breakpoints[2].commands

    assert play(scene, target=str(script)) == (
        [f"- Starting {script} again.", "stop linear", "stop relu", "1",
         f"['{script}', '--lr', '2']", "['1 + 1']"],
        True,
        ("p 1",),
    )  # fmt: skip


# -- arguments ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("p", "'print' needs EXPR. Write: print EXPR"),
        (":ignore x", "'x' is not a number. Write: ignore N [COUNT]"),
        (":detach x", "':detach' leaves the program, and takes no tensor. In Python: x.detach()"),
        (":op 3 4", "'op' does not know what to do with '4'. Write: op N"),
        (":load nope.py", "there is no script 'nope.py'. Check the path; ':examples' lists"),
        (":restart 'a", "the arguments cannot be read: No closing quotation. Close the quotes."),
    ],
)
def test_arguments_that_are_wrong(line, said):
    (answer,) = typed(line)
    assert answer.startswith("! " + said)


def test_load_finds_an_example_by_name_and_uses_a_fresh_process():
    async def scene(stage):
        first = stage.talk.pid
        await stage.lines(":load two_paths --x 1")
        same = stage.talk.pid == first
        await stage.lines("c", ":load two_paths.py")
        seen = await stage.lines("argv[0].endswith('examples/two_paths.py')")
        return seen, same, stage.talk.pid != first

    assert play(scene) == (["True"], True, True)


def test_every_command_is_whole():
    for each in COMMANDS.values():
        assert each.summary.endswith("."), each.name
        assert len(each.summary) < 100, each.name
        assert each.usage.startswith(each.name)
    keys = [name for each in COMMANDS.values() if each.key for name in each.key.keys.split(",")]
    assert sorted(set(keys)) == sorted(keys)
    assert len(keys) > 20
    count = sum(len(each.words) for each in COMMANDS.values())
    assert count == len(WORDS)


def test_the_words_of_pdb_are_all_there():
    pdb = (
        "s n r c u d p pp l ll w b tbreak cl cond condition ignore disable enable commands display "
        "undisplay until unt a args whatis source interact alias unalias q h ? restart run bt where"
        " step next return continue cont up down list longlist clear help quit exit print"
    )
    assert [word for word in pdb.split() if word not in WORDS and word != "print"] == []


def test_help_lists_every_command_and_explains_one():
    async def scene(stage):
        overview = await COMMANDS["help"].function(stage.talk)
        one = await COMMANDS["help"].function(stage.talk, "cl")
        return overview.body, one

    overview, one = play(scene)
    assert [name for name in COMMANDS if f"  {name}" not in overview] == []
    assert (one.title, one.body) == (
        "clear [N...]",
        "Delete breakpoints N..., or all.\nalso: cl",
    )


def test_examples_are_listed_with_their_first_lines():
    async def scene(stage):
        return (await COMMANDS["examples"].function(stage.talk)).body

    body = play(scene)
    for path in example_files():
        first = ast.get_docstring(ast.parse(path.read_text())).partition("\n")[0]
        assert path.stem in body
        assert first in body


def test_find_raises_our_error():
    with pytest.raises(UsageError):
        find("nothing-like-it", "")


# -- completion --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (":st", ["step"]),
        (":unal", ["unalias"]),
        ("cra", ["crash"]),
        ("help unt", ["until"]),
        (":b no", ["node", "norm", "none"]),
        (":p cra", ["crash"]),
        ("x = cra", []),  # the fake completes whole lines only
        (":load examples/two_p", ["examples/two_paths.py"]),
        (":enable ", ["1"]),
    ],
)
def test_completion(text, words, monkeypatch):
    monkeypatch.chdir(Path(__file__).parent.parent)

    async def scene(stage):
        await stage.lines(":b op relu")
        return await stage.talk.complete(text)

    assert play(scene) == words


class Louder(conditions.Kind, frozen=True):
    """A plugin's kind."""

    word, usage, help = "louder", "louder X", "b louder 10: where a norm is above 10."
    limit: float


def test_every_kind_of_breakpoint_is_completed_a_plugins_too():
    async def scene(stage):
        conditions.enter(Louder, "a plugin")
        try:
            found = {}
            for word in conditions.words():
                for command in (":b", ":tbreak", ":until"):
                    found[command, word] = await stage.talk.complete(f"{command} {word[:-1]}")
            return found
        finally:
            conditions.leave("a plugin")

    found = play(scene)
    assert {word for _, word in found} >= {"verdict", "batch", "label", "index", "inf", "louder"}
    assert [each for each, words in found.items() if each[1].rpartition("-")[2] not in words] == []
    assert "louder" not in conditions.KINDS


def test_fragments():
    assert [fragment(text) for text in ("torch.re", "x = ab", ":load a/b.p", "f(")] == [
        "re", "ab", "a/b.p", "",
    ]  # fmt: skip


# -- the life of a debuggee --------------------------------------------------------------------


def test_a_killed_debuggee_is_told_and_can_be_restarted():
    async def scene(stage):
        seen = await stage.lines("crash()", "1 + 1", "c", "help", ":restart", "1 + 1")
        return seen, stage.talk.state

    assert play(scene) == (
        ["gone, killed by SIGKILL",
         "! the program is gone. ':restart' starts a new one, 'q' leaves.",
         "! the program is gone. ':restart' starts a new one, 'q' leaves.",
         "Text", "- Starting a new session again.", "2"],
        "idle",
    )  # fmt: skip


def test_a_debuggee_that_cannot_start_is_told():
    async def scene(stage):
        return stage.seen, stage.talk.state

    seen, state = play(scene, python="/bin/false")
    assert (seen, state) == (["gone, exited with code 1"], "gone")


def test_a_python_that_is_not_there():
    with pytest.raises(TargetError):
        typed(python="/no/such/python")


def test_quit_ends_everything(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    async def scene(stage):
        pid = stage.talk.pid
        seen = await stage.lines("q", "1 + 1")
        return seen, stage.talk.finished, list(tmp_path.iterdir()), alive(pid)

    assert play(scene) == ([], True, [], False)


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_interrupt_while_running_is_a_keyboard_interrupt_there():
    async def scene(stage):
        task = asyncio.create_task(
            stage.talk.enter("talk.note('begun') or [sleep(0.01) for _ in range(6000)]")
        )
        await stage.wait("- begun")
        await stage.talk.enter("p 1")
        stage.talk.interrupt()
        await task
        return stage.seen

    assert play(scene) == [
        "- begun",
        "! your code is running. Ctrl-C pauses it; then commands work again.",
        "! KeyboardInterrupt:",
    ]


def test_health_is_asked_while_code_runs():
    async def scene(stage):
        task = asyncio.create_task(stage.talk.enter("talk.note('begun') or sleep(0.5)"))
        await stage.wait("- begun")
        asked = stage.talk.enter(":health nodes bad")
        await asyncio.gather(asked, stage.talk.enter("health fc*"))
        await task
        return stage.seen

    # the hand-made debuggee answers when it waits again; what matters is that it was asked
    assert play(scene) == ["- begun", "- AskHealthNodes", "- AskHealth"]


def test_quit_works_while_code_runs(monkeypatch):
    monkeypatch.setattr("gradrepl.commands.peer.PATIENCE", 0.1)

    async def scene(stage):
        task = asyncio.create_task(
            stage.talk.enter("talk.note('begun') or [sleep(0.01) for _ in range(6000)]")
        )
        await stage.wait("- begun")
        await stage.talk.enter("q")
        await task
        return stage.seen, stage.talk.finished

    assert play(scene) == (["- begun"], True)


def test_a_forwarded_signal_ends_the_face_the_same_way():
    async def scene(stage):
        changed = asyncio.Event()
        stage.talk.on_change = changed.set
        stage.talk.forward_signal(signal.SIGTERM)
        while not stage.talk.finished:
            await changed.wait()
            changed.clear()
        return stage.talk.exit_code, stage.seen[1:]

    assert play(scene, **SCRIPT) == (-signal.SIGTERM, [])


def test_a_signal_that_comes_before_the_program_is_passed_on():
    async def scene():
        talk = Conversation(Options(engine=(FAKE,), **SCRIPT), lambda record: None)
        talk.forward_signal(signal.SIGHUP)
        try:
            await asyncio.wait_for(talk.start(), SECONDS)
            return talk.finished, talk.exit_code
        finally:
            await talk.close()

    assert asyncio.run(scene()) == (True, -signal.SIGHUP)


def test_piped_output_and_input():
    async def scene(stage):
        heard = {"stdout": b"", "stderr": b""}

        def hear(stream, data):
            heard[stream] += data

        stage.talk.on_output = hear
        await stage.lines(":restart", "import sys", "print('out', flush=True)",
                          "print('err', file=sys.stderr, flush=True)")  # fmt: skip
        task = asyncio.create_task(stage.talk.enter("talk.note('reads') or input()"))
        await stage.wait("- reads")
        stage.talk.feed("typed in")
        await task
        return heard, stage.seen[-1]

    assert play(scene, stdin="asked", output="piped") == (
        {"stdout": b"out\n", "stderr": b"err\n"},
        "'typed in'",
    )


@pytest.mark.parametrize(
    ("lines", "options", "code"),
    [
        (["1"], {}, 0),
        (["1/0"], {}, 1),
        (["c"], SCRIPT, 3),
        (["c", "1/0"], SCRIPT, 3),
        (["crash()"], SCRIPT, -9),
        (["crash()"], {}, 1),
        (["s", "q"], SCRIPT, 0),
        (["import os; os._exit(5)"], SCRIPT, 5),
    ],
)
def test_exit_codes(lines, options, code):
    async def scene(stage):
        await stage.lines(*lines)
        await stage.talk.close()
        return stage.talk.exit_code

    assert play(scene, **options) == code


def test_first_commands_run_before_the_first_prompt():
    assert typed(target="train.py", commands=("b op relu", "c")) == [
        "stop linear", "breakpoint 1 op relu", "stop relu",
    ]  # fmt: skip


def test_the_debuggee_gets_no_socket_it_should_not_have():
    async def scene(stage):
        return await stage.lines("import os", "'GRADREPL_DEBUGGEE' in os.environ", "reads")

    assert play(scene, stdin="lines") == ["False", "'lines'"]


@pytest.mark.parametrize(("code", "how"), [(3, "exited with code 3"), (-11, "killed by SIGSEGV")])
def test_how_it_ended(code, how):
    assert describe_exit(code) == how


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"\0\1\2", "is not Python"), (b"def f(:\n", "is not Python: .* line 1"), (None, "folder")],
)
def test_targets_that_cannot_run(tmp_path, content, words):
    path = tmp_path / "x.py"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(TargetError, match=words) as caught:
        check_target(str(path))
    assert caught.value.hint


# -- history -----------------------------------------------------------------------------------


def test_history_keeps_entries_of_many_lines(tmp_path):
    history = History(tmp_path / "deep" / "history")
    entries = ["x = 1", "for i in x:\n  print(i)", "'ü [/b] \u2028'"]
    for each in entries:
        history.append(each)
    assert History(history.path).load() == entries
    assert history.path.stat().st_mode & 0o777 == 0o600


def test_two_writers_lose_nothing(tmp_path):
    path = tmp_path / "history"
    code = (
        "import sys; from pathlib import Path; from gradrepl.commands.conversation import History\n"
        "h = History(Path(sys.argv[1]))\n"
        "for n in range(200): h.append(f'{sys.argv[2]} {n}\\n' + 'x' * 300)\n"
    )
    writers = [
        subprocess.Popen([sys.executable, "-c", code, str(path), name]) for name in ("a", "b")
    ]
    assert [each.wait() for each in writers] == [0, 0]
    entries = [each.split("\n")[0] for each in History(path).load()]
    for name in ("a", "b"):
        assert [e for e in entries if e.startswith(name)] == [f"{name} {n}" for n in range(200)]


def test_a_broken_history_is_read_as_far_as_it_goes(tmp_path):
    path = tmp_path / "history"
    path.write_bytes(b'"good"\n{"not": "ours"}\n\xff\xfe\n"unfinished\n"again"\n')
    assert History(path).load() == ["good", "again"]


def test_a_history_without_a_place_is_no_error(tmp_path):
    (tmp_path / "file").write_text("")
    history = History(tmp_path / "file" / "history")
    history.append("x")
    assert history.load() == []


def test_a_long_history_is_cut(tmp_path, monkeypatch):
    monkeypatch.setattr("gradrepl.commands.conversation.KEEP", 10)
    monkeypatch.setattr("gradrepl.commands.conversation.SLACK", 500)
    history = History(tmp_path / "history")
    for number in range(200):
        history.append(f"entry {number}")
    assert history.load()[-1] == "entry 199"
    assert history.path.stat().st_size < 600


def test_our_errors_have_a_sentence():
    assert issubclass(UsageError, GradreplError)
    assert str(UsageError("a thing is wrong.", "Do this.")) == "a thing is wrong."
    assert protocol.VERSION
