"""Every kind of file is read back by a parser that is not ours."""

from __future__ import annotations

import csv
import html as python_html
import io
import json
import re
import xml.etree.ElementTree as ET
from collections import Counter
from html.parser import HTMLParser
from typing import Any

import pytest
from export_samples import NASTY, graph, nasty, nodes, ops, time

from gradrepl import model, plugins
from gradrepl.errors import StateError
from gradrepl.export import Exporter, choose, enter, exporter, leave, load
from gradrepl.export.files import Screen
from gradrepl_graphviz import entities

plugins.here().load()

SVG = "{http://www.w3.org/2000/svg}"
ONE_LINE = " ".join(NASTY.replace("\x07", "\ufffd").split())


def write(of: str, name: str, record: Any) -> str:
    (found,) = (each for each in load() if (each.of, each.name) == (of, name))
    file = io.StringIO()
    found.function(record, file)
    return file.getvalue()


def strict(text: str) -> Any:
    def no(word: str) -> None:
        raise AssertionError(f"JSON has no {word}")

    return json.loads(text, parse_constant=no)


# -- pictures ----------------------------------------------------------------------------------


def test_svg_is_xml_that_asks_for_nothing() -> None:
    text = write("graph", "svg", nasty())
    tree = ET.fromstring(text)
    boxes = {each.get("id"): each for each in tree.iter(f"{SVG}g")}
    assert list(boxes) == ["n1", "n2", "n3"]
    assert boxes["n1"].get("class") == "box here wrong"
    assert boxes["n3"].get("class") == "box leaf wrong"
    about = boxes["n1"].findtext(f"{SVG}title") or ""
    assert NASTY.replace("\x07", "\ufffd") in about
    shown = [each.text for each in boxes["n2"].iter(f"{SVG}text")]
    assert shown == ["○ #2 MulBackward0", "|g| inf", "! gradient is inf"]
    assert not list(tree.iter(f"{SVG}script"))
    assert re.findall(r"(?:https?:)?//[^\s\"<]+", text) == ["http://www.w3.org/2000/svg"]
    assert "url(" not in text.replace("url(#tip)", "")
    assert "@import" not in text


def test_svg_counts_edges_that_go_the_same_way() -> None:
    text = write("graph", "svg", graph(nodes([(2, 2), ()])))
    assert "×2" in [each.text for each in ET.fromstring(text).iter(f"{SVG}text")]


def test_svg_frames_the_calls_of_modules() -> None:
    found = graph(
        nodes([(2,), (3,), (4,), ()], module=("", "net.a", "net.a", "net.b")),
        kinds=(("net", "Net"), ("net.a", "Linear")),
    )
    tree = ET.fromstring(write("graph", "svg", found))
    frames = [each for each in tree.iter(f"{SVG}rect") if each.get("class") == "frame"]
    texts = [each.text or "" for each in tree.iter(f"{SVG}text")]
    assert len(frames) == 2
    assert [text for text in texts if text.startswith("net")] == ["net (Net)", "net.a (Linear)"]


class Tags(HTMLParser):
    """Checks that tags are closed in turn, and collects what might leave the file."""

    EMPTY = frozenset({"meta", "input", "path", "rect"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: Counter[str] = Counter()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.text: list[str] = []

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.seen[tag] += 1

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.seen[tag] += 1
        found = dict(attrs)
        self.ids += [found["id"]] if "id" in found else []
        self.links += [value for name, value in attrs if name in ("href", "src", "action", "data")]
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_html_is_one_file_that_folds_and_links_within_itself() -> None:
    text = write("graph", "html", nasty())
    tags = Tags()
    tags.feed(text)
    tags.close()
    assert tags.open == []
    assert not {"b", "img", "link", "iframe"} & set(tags.seen)
    assert tags.seen["script"] == 1
    assert {"row1", "row2", "row3", "q"} <= set(tags.ids)
    assert tags.links == ["#row2", "#row3", "#row3"]
    assert NASTY.replace("\x07", "\ufffd") in tags.text
    assert len(tags.ids) == len(set(tags.ids))
    assert re.findall(r"https?://[^\s\"<]+", text) == ["http://www.w3.org/2000/svg"]


def test_html_nests_modules() -> None:
    found = graph(nodes([(2,), (3,), (4,), ()], module=("net.a", "net.a.b", "net.a.b", "net.a")))
    text = write("graph", "html", found)
    assert re.findall(r'class="m"[^>]*><summary>(\S+) <span class="dim">(\d+)', text) == [
        ("net.a", "4"), ("net.a.b", "2"),
    ]  # fmt: skip


# -- languages ---------------------------------------------------------------------------------

_STRING = r'"(?:[^"\\]|\\.)*"'


def dot_parts(text: str) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """Return (label by node, edges) of a DOT text: a tokenizer of its own."""
    tokens = re.findall(rf"{_STRING}|->|[\[\]{{}};,=]|[^\s\[\]{{}};,=\"]+", text)
    labels, edges = {}, []
    for at, token in enumerate(tokens):
        if tokens[at + 1 : at + 2] == ["->"]:
            edges.append((token, tokens[at + 2]))
        elif re.fullmatch(r"n\d+", token) and tokens[at + 1 : at + 3] == ["[", "label"]:
            raw = tokens[at + 4][1:-1]
            labels[token] = re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], raw)
    assert tokens.count("{") == tokens.count("}")
    return labels, edges


def test_dot() -> None:
    labels, edges = dot_parts(write("graph", "dot", nasty()))
    assert edges == [("n1", "n2"), ("n1", "n3"), ("n2", "n3"), ("n2", "n3")]
    assert list(labels) == ["n1", "n2", "n3"]
    assert labels["n2"] == "#2 MulBackward0\n! gradient is inf"
    assert "<b>&\"'\\ ]]>" in labels["n1"]
    assert labels["n3"].startswith("leaf net.<b>&")


def test_mermaid() -> None:
    text = write("graph", "mermaid", nasty())
    first, *lines = text.splitlines()
    assert first == "flowchart TD"
    box = r'n\d+(?:\[|\(\[|\[\[)"[^"`<>]*(?:<br/>[^"`<>]*)*"(?:\]|\]\)|\]\])'
    grammar = rf'\s+(?:{box}|subgraph m\d+\["[^"`<>]*"\]|end|n\d+ --> (?:\|"\d+ edges"\| )?n\d+|'
    grammar += r"classDef wrong [\w:-]+|class n\d+(?:,n\d+)* wrong)"
    assert [line for line in lines if not re.fullmatch(grammar, line)] == []
    assert '  n2 --> |"2 edges"| n3' in lines


def test_mermaid_words_come_back() -> None:
    decoded = re.sub(r"#(\d+);", lambda found: chr(int(found[1])), entities(NASTY))
    assert decoded == NASTY
    assert not set(entities(NASTY)) & set("<>&\"'`\\|\n#%") - {"#", "%", "|"}


def test_mermaid_folds_and_says_so() -> None:
    chain = [(number + 1,) for number in range(1, 300)] + [()]
    modules = [f"net.{number // 10}" for number in range(300)]
    text = write("graph", "mermaid", graph(nodes(chain, module=modules)))
    assert text.splitlines()[1] == "%% folded by module: 300 nodes in 30 boxes"
    assert text.count("-->") == 29
    with pytest.raises(StateError, match="300 nodes are too many for mermaid, and there are too"):
        write("graph", "mermaid", graph(nodes(chain, module=[""] * 300)))


# -- tables ------------------------------------------------------------------------------------


def test_json_of_a_graph() -> None:
    found = strict(write("graph", "json", nasty()))
    assert (found["what"], found["of"], found["node_count"], found["edge_count"]) == (
        "graph", NASTY, 3, 4,
    )  # fmt: skip
    first, second, _ = found["nodes"]
    assert first["edges"] == [{"to": 2, "input": 0}, None, {"to": 3, "input": 1}]
    assert (first["norm"], second["norm"]) == ("nan", "inf")
    assert (first["label"], first["line"], first["file"]) == (NASTY, 27, "/x/tr<a>in.py")


def test_csv_of_a_pass() -> None:
    rows = list(csv.DictReader(io.StringIO(write("pass", "csv", nasty()))))
    assert [row["id"] for row in rows] == ["1", "2", "3"]
    assert rows[0]["label"] == NASTY
    assert (rows[0]["norm"], rows[0]["shape"], rows[0]["order"]) == ("nan", "2x3", "1")
    assert (rows[1]["shape"], rows[1]["order"], rows[1]["line"]) == ("()", "", "")


def test_json_of_a_pass_is_the_same_as_csv() -> None:
    rows = list(csv.DictReader(io.StringIO(write("pass", "csv", nasty()))))
    found = strict(write("pass", "json", nasty()))["nodes"]
    for row, node in zip(rows, found, strict=True):
        for name in ("name", "label", "module", "norm", "line", "problem"):
            assert row[name] == ("" if node[name] is None else str(node[name]))


def test_ops() -> None:
    rows = list(csv.DictReader(io.StringIO(write("ops", "csv", ops()))))
    assert [(row["id"], row["in_place"], row["module"]) for row in rows] == [
        ("1", "input 0: v0 -> v1", ""), ("2", "", NASTY),
    ]  # fmt: skip
    found = strict(write("ops", "json", ops()))
    assert [op["sequence"] for op in found["ops"]] == [None, [3, 5]]


# -- time --------------------------------------------------------------------------------------


def test_trace_has_slices_and_arrows_between_them() -> None:
    events = strict(write("time", "perfetto", time()))["traceEvents"]
    slices = [each for each in events if each["ph"] == "X"]
    assert [(e["cat"], e["name"], e["ts"], e["dur"]) for e in slices] == [
        ("forward", "mul", 0, 250_000), ("forward", "mul", 500_000, 125_000),
        ("backward", "A", 1_000_000, 500_000), ("backward", "B", 1_500_000, 250_000),
        ("backward", "AccumulateGrad", 1_750_000, 100_000),
    ]  # fmt: skip
    assert len({e["tid"] for e in slices}) == 3  # the forward, and two threads of the engine

    def at(event: dict[str, Any]) -> str:
        (found,) = (
            e for e in slices
            if e["tid"] == event["tid"] and e["ts"] <= event["ts"] <= e["ts"] + e["dur"]
            and e["ts"] == event["ts"]
        )  # fmt: skip
        return found["args"].get("op") if found["cat"] == "forward" else found["name"]

    starts = {each["id"]: at(each) for each in events if each["ph"] == "s"}
    ends = {each["id"]: at(each) for each in events if each["ph"] == "f"}
    assert [(starts[flow], ends[flow]) for flow in starts] == [("%5", "A"), ("%4", "B")]
    assert slices[3]["args"]["norm"] == "inf"


# -- the screen --------------------------------------------------------------------------------


def test_screen_fetches_no_font() -> None:
    from rich.console import Console

    console = Console(record=True, file=io.StringIO(), width=30)
    console.print("<b>&", markup=False)
    theirs = console.export_svg(title="x")
    assert "url(" in theirs  # else there is nothing to take out
    text = write("screen", "svg", Screen(theirs, ""))
    shown = python_html.unescape("".join(ET.fromstring(text).itertext()))
    assert "<b>&" in shown
    for word in ("url(http", 'url("http', "url('http", "@font-face", "@import", "Fira"):
        assert word not in text
    assert write("screen", "text", Screen("", "a  \nb\n\n")) == "a\nb\n"


# -- the table ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kinds", "path", "found"),
    [
        ([], "a.svg", ("graph", "svg")), ([], "a.HTML", ("graph", "html")),
        ([], "a.gv", ("graph", "dot")), ([], "a.json", ("graph", "json")),
        ([], "a.csv", ("pass", "csv")), ([], "a.txt", ("screen", "text")),
        ([], "dir/ops.csv", ("ops", "csv")), ([], "time.json", ("time", "perfetto")),
        (["pass"], "a.json", ("pass", "json")), (["ops"], "a.csv", ("ops", "csv")),
        (["time"], "a", ("time", "perfetto")), (["mermaid"], "a.md", ("graph", "mermaid")),
        (["json"], "a.x", ("graph", "json")), (["ops", "json"], "a", ("ops", "json")),
        (["screen"], "a.svg", ("screen", "svg")), (["perfetto"], "a", ("time", "perfetto")),
    ],
)  # fmt: skip
def test_which_is_meant(kinds: list[str], path: str, found: tuple[str, str]) -> None:
    chosen = choose(kinds, path)
    assert (chosen.of, chosen.name) == found


def test_a_stranger_comes_in_by_the_same_door_and_goes() -> None:
    @exporter("edges", of="graph", suffix=".edges", help="one line for each edge")
    def edges(record: Any, file: Any) -> None:
        for node in record.nodes:
            file.writelines(f"{node.id} {to}\n" for to in node.to if to)

    made: Exporter = edges.exporter  # type: ignore[attr-defined]
    enter(made, plugin="mine")
    try:
        assert choose([], "x.edges").plugin == "mine"
        assert write("graph", "edges", nasty()) == "1 2\n1 3\n2 3\n2 3\n"
    finally:
        leave("mine")
    assert made.name not in {each.name for each in load()}
    assert isinstance(choose([], "x.svg"), Exporter)
    assert model.Exporters(rows=()).rows == ()
