"""``gradrepl check``: run a program wholly, then say what is wrong with it."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from gradrepl import __version__, model, protocol
from gradrepl.commands.conversation import Conversation
from gradrepl.errors import LinkError
from gradrepl.launch import Options, check_target
from gradrepl.model.rules import RULES
from gradrepl.repl.batch import pass_signals
from gradrepl.repl.output import Output

FAULTY = 3
"""The exit code where there is a finding of the severity that was asked for."""
OWN = ("format", "fail_on", "steps")
"""What is asked of a check besides what every client is."""
COUNTED = {"error": ("error",), "warning": ("error", "warning"), "never": ()}


class Check(Conversation):
    """A program that is run to its end, and judged."""

    steps = 0
    """Optimizer steps after which the program is ended; 0: it runs to its end."""
    findings: model.Findings | None = None
    """What was found; None where the program was gone before it could be asked."""

    async def _begin(self) -> None:
        options = self.options
        await self.ask(protocol.Check(steps=self.steps))
        run = protocol.Run(
            target=options.target, args=options.args, module=options.module, stops=False
        )
        await self.run(run, self._target_done)
        if self.gone is None:
            record = await self.ask(protocol.AskFindings(run=True))
            if isinstance(record, model.Findings):
                self.findings = record

    def tell(self, record: model.Record) -> None:
        """Show only what the program could not be run for."""
        if isinstance(record, model.Error | model.Gone):
            super().tell(record)


def run(options: Options, asked: dict[str, Any]) -> int:
    """Check a program; return the exit code: its own, or 3.

    Raises:
        TargetError: there is no such script.
    """
    if not options.module:
        check_target(options.target)
    signal.signal(signal.SIGINT, lambda number, frame: None)
    return asyncio.run(_serve(replace(options, stdin="tty", commands=()), asked))


async def _serve(options: Options, asked: dict[str, Any]) -> int:
    output = Output(options)
    talk = Check(options, output.show)
    talk.steps = asked.get("steps", 0)
    pass_signals(talk)
    try:
        await talk.start()
    except LinkError:
        pass
    finally:
        await talk.close()
    rows = talk.findings.rows if talk.findings is not None else ()
    if asked.get("format") == "json":
        print(json.dumps({"findings": [as_json(row) for row in rows]}))
    elif asked.get("format") == "sarif":
        print(json.dumps(sarif(rows)))
    elif talk.findings is not None:
        output.show(talk.findings)
    counted = COUNTED[asked.get("fail_on", "error")]
    return FAULTY if any(row.severity in counted for row in rows) else talk.exit_code


def sarif(rows: Sequence[model.Finding]) -> dict[str, Any]:
    """Return findings in the form of SARIF 2.1.0, that code hosts and editors show.

    https://docs.oasis-open.org/sarif/sarif/v2.1.0
    """
    levels = {"error": "error", "warning": "warning", "note": "note"}
    rules = [{"id": word, "shortDescription": {"text": RULES[word].what}} for word in RULES]
    results = [
        {
            "ruleId": row.rule,
            "level": levels.get(row.severity, "note"),
            "message": {"text": f"{row.message} {row.fix}".strip()},
            "locations": list(map(_location, row.sites[:1])),
            "relatedLocations": list(map(_location, row.sites[1:])),
        }
        for row in rows
    ]
    driver = {"name": "gradrepl", "version": __version__, "rules": rules}
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results}],
    }


def _location(line: model.Sited) -> dict[str, Any]:
    return {
        "message": {"text": line.role},
        "physicalLocation": {
            "artifactLocation": {"uri": Path(line.site.file).resolve().as_uri()},
            "region": {"startLine": max(line.site.line, 1)},
        },
    }


def as_json(row: model.Finding) -> dict[str, Any]:
    """Return a finding as it is written to a file: its lines flat."""
    fields: dict[str, Any] = msgspec.to_builtins(row)
    fields["sites"] = [{"role": each["role"], **each["site"]} for each in fields["sites"]]
    return fields
