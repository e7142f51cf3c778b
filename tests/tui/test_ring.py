"""The ring of output lines: pieces, carriage returns, two streams, floods."""

from __future__ import annotations

from gradrepl.tui.ring import LONGEST, Ring


def lines(ring: Ring) -> list[tuple[str, str]]:
    return [(line.stream, line.text) for line in ring.lines]


def test_pieces_become_lines() -> None:
    ring = Ring()
    for piece in (b"ab", b"c\nde", b"f\n\ng"):
        ring.write("stdout", piece)
    assert lines(ring) == [("stdout", "abc"), ("stdout", "def"), ("stdout", ""), ("stdout", "g")]


def test_a_carriage_return_overwrites_its_line() -> None:
    ring = Ring()
    for percent in range(0, 101, 10):
        ring.write("stderr", b"\r%3d%%" % percent)
    assert lines(ring) == [("stderr", "100%")]
    ring.write("stderr", b"\rdone\n")
    ring.write("stderr", b"next")
    assert lines(ring) == [("stderr", "done"), ("stderr", "next")]


def test_a_shorter_text_leaves_the_tail_as_a_terminal_does() -> None:
    ring = Ring()
    ring.write("stdout", b"abcdef\rxy")
    assert lines(ring) == [("stdout", "xydef"[:2] + "cdef")]
    ring.write("stdout", b"\r\x1b[Kz")
    assert lines(ring) == [("stdout", "z")]


def test_a_bar_keeps_its_place_while_the_other_stream_goes_on() -> None:
    ring = Ring()
    ring.write("stderr", b"\r 10%")
    ring.write("stdout", b"loss 0.7\n")
    ring.write("stderr", b"\r 20%")
    assert lines(ring) == [("stderr", " 20%"), ("stdout", "loss 0.7")]


def test_characters_cut_in_two_and_raw_binary() -> None:
    ring = Ring()
    ring.write("stdout", "é".encode()[:1])
    ring.write("stdout", "é".encode()[1:] + b"\n\xff\xfe\x00\n")
    assert [text for _, text in lines(ring)] == ["é", "��\x00"]


def test_windows_line_ends_are_line_ends() -> None:
    ring = Ring()
    ring.write("stdout", b"a\r\nb\r\n")
    assert [text for _, text in lines(ring)] == ["a", "b"]


def test_the_ring_is_bounded_in_lines_and_in_their_length() -> None:
    ring = Ring(100)
    ring.write("stdout", b"x" * 3 * LONGEST)
    ring.write("stdout", b"y" * LONGEST + b"\n")
    assert len(ring.lines[0].text) == LONGEST
    for number in range(1000):
        ring.write("stdout", b"line %d\n" % number)
    assert len(ring.lines) == 100
    assert ring.seen == 1001
    assert ring.lines[-1].text == "line 999"


def test_text_is_without_escapes() -> None:
    ring = Ring()
    ring.write("stdout", b"\x1b[32mgreen\x1b[0m \x1b]0;title\x07end\n")
    assert ring.text() == "green end"
