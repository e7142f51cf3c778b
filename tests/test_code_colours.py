"""Code is lexed as a whole: what stands in a docstring is no keyword."""

from __future__ import annotations

from pathlib import Path

from gradrepl.draw.looking import WHOLE, part_of_file, python

CODE = '''\
def f(x):
    """Take a tensor
    for all of us, if there is one, and return 1.
    """
    return x * 2  # twice
'''


def roles(lines: object) -> list[list[tuple[str, str]]]:
    return [[(text.strip(), role) for text, role in line if role] for line in lines]  # type: ignore[attr-defined]


def test_a_docstring_is_a_string_to_its_end() -> None:
    lines = python(CODE)
    assert ["".join(text for text, _ in line) for line in lines] == CODE.split("\n")
    assert roles(lines)[2] == [("for all of us, if there is one, and return 1.", "string")]
    assert roles(lines)[4] == [("return", "keyword"), ("2", "number"), ("# twice", "comment")]


def test_every_line_is_there_whatever_is_in_it() -> None:
    for text in ("", "\n", "x\ry\nz", "x = 1\t# one\n\n", "\ufeffx", "a\x0cb\u2028c", "'''\n"):
        assert len(python(text)) == len(text.split("\n"))


def test_a_window_on_a_file_is_coloured_as_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "train.py"
    file.write_text(CODE)
    texts = CODE.split("\n")[2:5]
    assert part_of_file(str(file), 3, texts) == python(CODE.rstrip("\n"))[2:5]
    assert roles(part_of_file(str(file), 3, texts))[0][0][1] == "string"
    file.write_text(f"# changed\n{CODE}")  # another length: the cache knows
    assert part_of_file(str(file), 3, texts) == python("\n".join(texts))
    file.write_text(CODE + "#" * WHOLE)
    assert part_of_file(str(file), 3, texts) == python("\n".join(texts))
    assert part_of_file("<stdin>", 1, ["x = 1"]) == python("x = 1")
