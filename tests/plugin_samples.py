"""Records about plugins, and those that any of them answers with."""

from __future__ import annotations

from gradrepl import model

SAMPLES: list[model.Record] = [
    model.PluginList(rows=(
        model.PluginInfo(name="picture", version="0.1.0", origin="gradrepl",
                         hooks=("answer", "commands")),
        model.PluginInfo(name="bad[/b]", origin="bad.py", side="program", state="disabled",
                         problem="gradrepl_stop raised ValueError: [/b] (bad.py:4)"),
    )),
    model.Table(title="rank 2", columns=("", "singular value"),
                rows=(("0", "5.648"), ("1",)), notes=("the last 2 are left out",)),
    model.Brought(kind="gradrepl_picture.Dots", fields={"rows": [[0, 255]], "about": "[/b]"}),
    model.Findings(
        rows=(model.Finding(severity="error", message="y was overwritten [/b].", evidence="by add_",
                            fix="Do not.",
                            sites=model.sited(root=model.Site(
                                "a.py", 3, "f", "y += 1"))),),
        looked_at=("memory in scope",),
    ),
]  # fmt: skip
