"""A program on a real pseudo-terminal, for tests: keys in, the screen's text out."""

import sys
import time

import pexpect
import pyte

SECONDS = 60


class Terminal:
    """A program on a pseudo-terminal, and the screen that it has drawn."""

    def __init__(self, args, env, rows=24, columns=80, program=sys.executable):
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self.child = pexpect.spawn(
            program, args, dimensions=(rows, columns), env=env, cwd=env["HOME"], timeout=SECONDS
        )
        self.child.delaybeforesend = None
        self.screen.write_process_input = self.child.send  # answers where the cursor is

    @property
    def lines(self):
        """Lines of the screen that are not empty."""
        return [line.rstrip() for line in self.screen.display if line.strip()]

    @property
    def text(self):
        """The whole screen, without the blanks at the ends of lines."""
        return "\n".join(self.lines)

    def wait(self, text):
        """Draw until ``text`` is on the screen."""
        self.draw_until(lambda: text in self.text, text)

    def draw_until(self, ready, what):
        """Draw until ``ready()``; ``what`` says for an error what that is."""
        end = time.monotonic() + SECONDS
        while not ready():
            assert time.monotonic() < end, f"waited for {what!r}:\n{self.text}"
            try:
                self._draw(self.child.read_nonblocking(65536, timeout=0.2))
            except pexpect.TIMEOUT:
                continue
            except pexpect.EOF:
                assert ready(), f"ended before {what!r}:\n{self.text}"

    def _draw(self, data):
        """Draw what came, also what comes behind an escape code that a killed client has not ended.

        Of that pyte's stream makes a call that fails; the rest of what it was fed would be lost.
        """
        try:
            self._stream.feed(data)
        except TypeError:
            self._stream = pyte.ByteStream(self.screen)
            if len(data) > 1:
                for place in range(len(data)):
                    self._draw(data[place : place + 1])

    def type(self, text):
        """Press keys."""
        self.child.send(text)

    def enter(self, text, then):
        """Type a line, and wait for what it brings."""
        self.type(text + "\r")
        self.wait(then)

    def code(self):
        """Wait for its end; negative for a signal."""
        self.child.expect(pexpect.EOF)
        self.child.close()
        status = self.child.signalstatus
        return -status if status is not None else self.child.exitstatus
