"""A program that listens: clients come, look, step and go, and it continues as it would have."""

import os
import resource
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
from debuggee import SECONDS, Debuggee

from gradrepl import conditions as c
from gradrepl import endpoint, model, protocol
from gradrepl.errors import LinkError, TargetError
from gradrepl.link import BlockingLink

ROOT = Path(__file__).parent.parent.parent
LOOP = """\
import os, sys, time, torch
w = torch.tensor([1.0, 2.0], requires_grad=True)
for i in range(10**6):
    loss = (w * 2).sum()
    loss.backward()
    w.grad = None
    if i == 3:
        open("running", "w").close()
    if os.path.exists("stop"):
        break
stack = torch._C._len_torch_function_stack()
engine = torch.autograd._engine_run_backward.__code__.co_filename[-8:]
print(w.tolist(), stack, engine, sys.gettrace())
"""
END = "[1.0, 2.0] 0 graph.py None\n"


def _mind_interrupts():
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # the test runner's processes ignore it


class Program:
    """A listening program, and the clients that a test brings to it."""

    def __init__(self, folder, *words, **more):
        self.folder = folder
        self.waits = "--wait-for-client" in words
        (folder / "loop.py").write_text(LOOP)
        self.environment = {
            **os.environ, "XDG_RUNTIME_DIR": str(folder), "PYTHONPATH": str(ROOT), **more,
        }  # fmt: skip
        with open(folder / "err", "w") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gradrepl", *words, "loop.py"], cwd=folder, text=True,
                env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=err, start_new_session=True, preexec_fn=_mind_interrupts,
            )  # fmt: skip
        self.clients = []

    def said(self):
        """Return what it said on standard error."""
        return (self.folder / "err").read_text()

    def wait_until_said(self, text):
        """Wait until it has said ``text`` on standard error."""
        end = time.monotonic() + SECONDS
        while text not in self.said():
            assert time.monotonic() < end, self.said()
            time.sleep(0.02)

    def endpoint(self):
        """Return where it listens, as soon as it does."""
        end = time.monotonic() + SECONDS
        while time.monotonic() < end and self.process.poll() is None:
            found = endpoint.listening()
            if found and (self.waits or (self.folder / "running").exists()):
                return found[0]
            time.sleep(0.05)
        raise AssertionError(self.said())

    def attach(self, token=None):
        """Attach a client."""
        about = self.endpoint()
        sock = endpoint.connected(about.address)
        sock.settimeout(SECONDS)
        link = BlockingLink(sock)
        link.send(protocol.Hello(token=about.token if token is None else token))
        answer = link.receive()
        if not isinstance(answer, protocol.Welcome):
            link.close()
            return answer
        self.clients.append(Debuggee(link, self.process))
        return self.clients[-1]

    def end(self):
        """Let it end; return its output and what it said on standard error."""
        (self.folder / "stop").touch()
        out, _ = self.process.communicate(timeout=SECONDS)
        assert self.process.returncode == 0, self.said()
        return out, self.said()

    def command(self, *words, **more):
        """Run a command of gradrepl's."""
        return subprocess.run(
            [sys.executable, "-m", "gradrepl", *words], env=self.environment, text=True,
            capture_output=True, timeout=SECONDS, **{"input": "", **more},
        )  # fmt: skip


@pytest.fixture
def program(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    started = []

    def start(*words, **more):
        started.append(Program(tmp_path, *words, **more))
        return started[-1]

    yield start
    for each in started:
        for client in each.clients:
            client.link.close()
        if each.process.poll() is None:
            os.killpg(each.process.pid, signal.SIGKILL)
        each.process.communicate()


def test_attach_step_detach(program):
    p = program("--listen")
    d = p.attach()
    stop = d.until_prompt()[-1]
    assert isinstance(stop, model.Stop)
    assert Path(stop.site.file).name == "loop.py"
    assert d.break_at("leaf w").id == 1
    assert d.cont()[-1].node.name == "AccumulateGrad"
    assert d.value("w.tolist()") == "[1.0, 2.0]"
    assert d.prompt.state == "backward"
    d.send(protocol.Detach())
    assert d.link.receive() == protocol.Answer(id=d._last)
    assert d.link.receive() is None
    out, err = p.end()
    assert out == END
    assert err.count("\n") == 1
    assert endpoint.listening() == []


def test_attach_again_finds_nothing_armed(program):
    p = program("--listen")
    first = p.attach()
    first.until_prompt()
    first.break_at("leaf w")
    first.link.close()
    p.wait_until_said("the client is gone (it is closed): the program continues, with no stop.")
    second = p.attach()
    assert second.until_prompt()[-1].reason in ("pause", "start")
    assert second.look(protocol.ListBreakpoints()) == model.Breakpoints(rows=())
    second.send(protocol.Detach())
    assert p.end()[0] == END


def test_the_second_face_watches_and_inherits(program):
    p = program("--listen", "--wait-for-client")
    first = p.attach()
    stop = first.until_prompt()[-1]
    assert (stop.site.line, stop.site.text) == (1, "import os, sys, time, torch")
    second = p.attach()
    told = second.until_prompt()
    assert told[0].message == "Read-only: another client controls this program."
    assert told[-1] == stop
    refused = second.look(protocol.Resume(verb=c.Step()))
    assert refused.message == "Read-only: another client controls this program."
    assert second.look(protocol.SetBreakpoint(condition=c.NodeIs("*"), text="node *")) == refused
    assert second.value("1 + 1") == "2"
    first.go(c.UntilCondition(c.OpIs("mul")))
    assert isinstance(second.link.receive(), protocol.Resumed)
    second.until_prompt()
    seen = first.step()
    assert isinstance(second.link.receive(), protocol.Resumed)
    assert second.until_prompt()[-1] == seen
    first.link.close()
    heir = second.link.receive()
    assert heir.record.message == "the other client is gone: you control the program now."
    assert isinstance(second.step(), model.Stop)
    second.send(protocol.Detach())
    assert p.end()[0] == END


@pytest.mark.parametrize("junk", [b"\0\0\0\x08half", b"\xff\xff\xff\xff", b"\0\0\0\x02\xc1\xc1"])
def test_a_link_that_breaks_lets_it_run_on(program, junk):
    p = program("--listen")
    d = p.attach()
    d.until_prompt()
    d.link._sock.sendall(junk)
    d.link._sock.shutdown(socket.SHUT_RDWR)
    d.link.close()
    p.wait_until_said("the program continues, with no stop.")
    p.attach().until_prompt()
    p.clients[-1].send(protocol.Detach())
    out, err = p.end()
    assert out == END
    assert err.count("the program continues, with no stop.") == 1


def test_a_wrong_token_is_refused_and_nobody_notices(program):
    p = program("--listen")
    answer = p.attach(token="wrong")
    assert answer == protocol.Refused(why="the peer did not show the token of this session.")
    with endpoint.connected(p.endpoint().address) as sock:
        sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
        with suppress(ConnectionResetError):
            assert sock.recv(100) == b""
    out, err = p.end()
    assert out == END
    assert err.count("\n") == 1


def test_peers_that_say_nothing_keep_nobody_out(program):
    p = program("--listen")
    address = p.endpoint().address
    silent = [endpoint.connected(address) for _ in range(60)]
    threads = len(os.listdir(f"/proc/{p.process.pid}/task"))
    p.attach().until_prompt()
    assert threads < 40
    p.clients[-1].send(protocol.Detach())
    out, err = p.end()
    assert (out, err.count("\n")) == (END, 1)
    for sock in silent:
        sock.close()


def test_the_time_for_a_hello_is_for_all_of_it(monkeypatch):
    monkeypatch.setattr("gradrepl.link.HELLO_SECONDS", 0.5)
    ours, theirs = socket.socketpair()
    ended = threading.Event()

    def drip():
        with suppress(OSError):
            theirs.sendall(b"\0\0\x0f\0")
            while not ended.wait(0.1):
                theirs.sendall(b"x")

    thread = threading.Thread(target=drip)
    thread.start()
    with pytest.raises(TimeoutError):
        BlockingLink.accepted(ours, "token")
    ended.set()
    thread.join()
    ours.close()
    theirs.close()


def test_no_descriptor_left_is_no_end_of_listening(program, tmp_path):
    p = program("--listen")
    about = p.endpoint()
    resource.prlimit(p.process.pid, resource.RLIMIT_NOFILE, (3, 4096))
    with endpoint.connected(about.address) as sock:
        time.sleep(0.3)
        resource.prlimit(p.process.pid, resource.RLIMIT_NOFILE, (4096, 4096))
        sock.close()
    p.attach().until_prompt()
    p.clients[-1].send(protocol.Detach())
    assert p.end()[0] == END


def test_an_address_for_everybody_is_told(program):
    p = program("--listen=tcp://0.0.0.0:0")
    p.endpoint()
    assert "can be reached from other machines: who has the token controls" in p.said()
    p.end()


@pytest.mark.parametrize("kind", ["link", "open"])
def test_a_folder_that_cannot_be_had_changes_nothing(program, tmp_path, kind):
    p = program("--listen")
    p.endpoint()
    unusable = tmp_path / "unusable"
    unusable.mkdir()
    if kind == "link":
        (unusable / "gradrepl").symlink_to(tmp_path)
    else:
        (unusable / "gradrepl").mkdir()
        (unusable / "gradrepl").chmod(0o777)
    (tmp_path / "batch.py").write_text(
        "import sys, torch\nif len(sys.argv) > 1:\n    import gradrepl\n    gradrepl.set_trace()\n"
        "print('after')\n"
    )
    for words in (["batch.py", "1"], ["-m", "gradrepl", "--listen", "batch.py"]):
        done = subprocess.run(
            [sys.executable, *words],
            env={**p.environment, "XDG_RUNTIME_DIR": str(unusable)},
            cwd=tmp_path,
            text=True,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS,
            start_new_session=True,
        )
        assert (done.stdout, done.returncode) == ("after\n", 0)
        assert "is not a private folder of yours" in done.stderr
        assert "Traceback" not in done.stderr
    p.end()


def test_files_are_private_and_the_command_finds_it(program, tmp_path):
    p = program("--listen", RANK="1")
    about = p.endpoint()
    assert about.name == "rank1"
    for path in (about.address, tmp_path / "gradrepl" / f"{about.pid}.json"):
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "gradrepl").stat().st_mode) == 0o700
    listed = p.command("attach").stdout.splitlines()
    assert listed[0].split() == ["NAME", "PID", "SCRIPT", "ADDRESS"]
    assert listed[1].split() == ["rank1", str(about.pid), "loop.py", about.address]
    lines = "p i >= 0\ns\nrestart\ndetach\n"
    talk = p.command("attach", "rank1", input=lines).stdout
    assert talk.startswith("attached to rank1 (loop.py)")
    assert "True" in talk
    assert "was not started by gradrepl" in talk
    nobody = p.command("attach", "rank7")
    assert nobody.returncode == 2
    assert nobody.stderr.startswith("gradrepl: nothing listens at 'rank7'.\n  These listen: rank1.")
    assert p.end()[0] == END


def test_tcp_only_when_asked_and_on_loopback(program, tmp_path):
    p = program("--listen=tcp://127.0.0.1:0")
    about = p.endpoint()
    assert about.address.startswith("tcp://127.0.0.1:")
    p.attach().until_prompt()
    p.clients[-1].send(protocol.Detach())
    assert p.end()[0] == END


def test_a_path_of_ones_own_has_its_token_beside_it(program, tmp_path):
    p = program(f"--listen={tmp_path}/here")
    about = p.endpoint()
    assert about.address == f"{tmp_path}/here"
    beside = tmp_path / "here.token"
    assert beside.read_text() == about.token
    assert stat.S_IMODE(beside.stat().st_mode) == 0o600
    assert p.end()[0] == END
    assert not beside.exists()


def test_a_folder_of_somebody_elses_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "gradrepl").mkdir(mode=0o755)
    (tmp_path / "gradrepl").chmod(0o755)
    with pytest.raises(LinkError, match="is not a private folder of yours"):
        endpoint.folder()


def test_addresses(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert endpoint.tcp("/a/path") is None
    assert endpoint.tcp("tcp://[::1]:7") == ("::1", 7)
    with pytest.raises(TargetError, match="is not an address"):
        endpoint.tcp("tcp://7")
    with pytest.raises(TargetError, match="nothing listens at 'x'"):
        endpoint.find("x")
    monkeypatch.setenv("GRADREPL_TOKEN", "t")
    assert endpoint.find("tcp://h:1") == endpoint.Endpoint(
        name="tcp://h:1", address="tcp://h:1", token="t"
    )
    with pytest.raises(LinkError, match="nobody answers at /nowhere"):
        endpoint.connected("/nowhere")


def test_no_terminal_waits_for_attach_or_goes_on(program, tmp_path):
    (tmp_path / "batch.py").write_text(
        "import gradrepl, torch\nx = 1\ngradrepl.set_trace()\nprint('after', x)\n"
    )
    command = [sys.executable, "batch.py"]
    p = program("--listen")  # for its environment
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    common = {"cwd": tmp_path, "text": True, "start_new_session": True, **streams}
    on = subprocess.Popen(command, env={**p.environment, "GRADREPL_NO_TTY": "continue"}, **common)
    out, err = on.communicate(timeout=SECONDS)
    assert (out, on.returncode) == ("after 1\n", 0)
    assert "breakpoint skipped: no terminal" in err
    waits = subprocess.Popen(command, env=p.environment, **common)
    said = waits.stderr.readline()
    assert f"waiting for 'gradrepl attach {waits.pid}'" in said
    talk = p.command("attach", str(waits.pid), input="x += 1\nx\nq\n").stdout
    assert "set_trace()  batch.py:3" in talk
    assert "\n2\n" in talk
    out, err = waits.communicate(timeout=SECONDS)
    assert (out, waits.returncode) == ("after 2\n", 0), err
    p.end()


def test_a_second_ctrl_c_interrupts(program):
    p = program("--listen")
    d = p.attach()
    d.until_prompt()
    d.send(protocol.Resume(verb=c.Continue()))
    d.send(protocol.Interrupt())
    raised = d.until_prompt()[-1]
    assert (raised.phase, raised.reason) == ("exception", "KeyboardInterrupt")
    d.send(protocol.Resume(verb=c.Continue()))
    out, err = p.process.communicate(timeout=SECONDS)[0], p.said()
    assert "KeyboardInterrupt" in err, (out, p.process.returncode)
    assert p.process.returncode == 130


def test_a_program_that_ends_is_told_of(program):
    p = program("--listen")
    d = p.attach()
    d.until_prompt()
    (p.folder / "stop").touch()
    d.send(protocol.Resume(verb=c.Continue()))
    while d.link.receive() is not None:
        pass
    assert p.end()[0] == END
