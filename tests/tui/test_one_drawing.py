"""A record is drawn once: what the prompt prints and what the screen paints are the same cells."""

from __future__ import annotations

import time

import pytest
from screens import Seen, on_screen
from test_render import BACKWARD, RECORDS

from gradrepl import draw, model
from gradrepl.draw import Look, ink
from gradrepl.launch import Options
from gradrepl.repl.output import Output

NASTY = "[/b] \x1b[31mred\x1b[0m \udc80 \u202e 張量\ttab"
BRIEF = (model.Stop, model.Pass)
"""Records of which panels show the rest on the screen: there it prints a part of the lines."""


def painted(records: list[model.Record], ascii: bool) -> list[tuple[int, list[str]]]:
    """Return how wide the screen's transcript is, and its lines, for each record."""
    shown: list[tuple[int, list[str]]] = []

    async def body(seen: Seen) -> None:
        transcript = seen.app.dock.transcript
        for record in records:
            transcript.clear()
            transcript.show(record)
            transcript.resized()  # a scroll bar may have come
            lines = [ink.plain(line).rstrip() for line in transcript.lines]
            shown.append((transcript.room, lines))

    on_screen(body, size=(80, 40), ascii=ascii)
    return shown


def printed(record: model.Record, width: int | None, capsys: pytest.CaptureFixture[str],
            **options: bool) -> list[str]:  # fmt: skip
    """Return the lines that the prompt prints for a record, as wide as the screen's."""
    output = Output(Options(color=False, **options))
    output._look = draw.Look(width=width, plain=output._look.plain, ascii=output._look.ascii)
    output._write(record)
    return capsys.readouterr().out.split("\n")[:-1]


@pytest.mark.parametrize("ascii", [False, True], ids=["glyphs", "ascii"])
def test_the_prompt_and_the_screen_show_the_same_lines(
    ascii: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")  # else a picture has colours only where there are any
    records = [record for record in RECORDS if not isinstance(record, model.Progress)]
    for record, (width, lines) in zip(records, painted(records, ascii), strict=True):
        prompt = printed(record, width, capsys, ascii=ascii)
        if isinstance(record, BRIEF):
            assert [line for line in lines if line not in prompt] == []
        else:
            assert lines == prompt, type(record).__name__
        assert not ascii or "".join(lines).isascii()


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_without_a_width_nothing_is_lost(record: model.Record) -> None:
    whole = " ".join(ink.plain(line) for line in draw.lines(record))
    assert "\n" not in whole
    for width in (24, 60):
        for line in draw.lines(record, Look(width=width)):
            assert isinstance(line, ink.Row) or ink.width(line) <= width


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_every_role_has_a_style(record: model.Record) -> None:
    roles = {role for line in draw.lines(record) for _, role in line if isinstance(role, str)}
    assert roles <= {"", *ink.ROLES}


def nasty(record: model.Record) -> list[model.Record]:
    """Return the records with every text in them a trap, one field at a time."""
    made = []
    for name in record.__struct_fields__:
        if type(getattr(record, name)) is str:
            fields = {each: getattr(record, each) for each in record.__struct_fields__}
            made.append(type(record)(**{**fields, name: NASTY}))
    return made


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_what_is_the_users_is_text(record: model.Record) -> None:
    for each in nasty(record):
        drawn = draw.text(each, Look(width=60)) + draw.text(each, Look(plain=True))
        assert not set(drawn) & {"\x1b", "\t", "\u202e", "\udc80"}
        drawn.encode()


def test_a_megabyte_is_drawn_in_time() -> None:
    long = "x\x1b[31m y" * 150_000
    site = model.Site(file=long, line=1, function=long, text=long)
    began = time.process_time()
    for record in (
        model.Value(text=long), model.Error(message=long, hint=long), model.Notice(message=long),
        model.Stop(phase="exception", reason=long, site=site, exception=long),
    ):  # fmt: skip
        assert draw.lines(record, Look(width=80))
    assert time.process_time() - began < 20


def test_a_strangers_record_shows_its_fields_in_both() -> None:
    class Mine(model.Record, frozen=True, kw_only=True):
        weight: int

    ((_, lines),) = painted([Mine(weight=3)], False)
    assert lines == ["type: Mine", "weight: 3"] == draw.text(Mine(weight=3)).splitlines()


def test_a_stop_is_a_line_on_the_screen_and_has_its_gradients_at_the_prompt() -> None:
    brief = draw.lines(BACKWARD, Look(brief=True))
    assert len(brief) == 2  # the second is what is displayed
    assert brief[0] == draw.lines(BACKWARD)[0]
    assert len(draw.lines(BACKWARD)) == 6
