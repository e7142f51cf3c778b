"""Files: every kind that can be written is one function, found in one table.

::

    @exporter("edges", of="graph", suffix=".txt", help="one line for each edge")
    def edges(record: Graph, file: TextIO) -> None:
        for node in record.nodes:
            for target in node.to:
                file.write(f"{node.id} {target}\\n")

An exporter gets a record (see ``gradrepl.export.records``) and an open text file; it may return a
sentence that the user should read. It runs in the face's process, in a thread of its own, and
imports no torch. The file appears under its name only when the exporter has returned.
"""

from gradrepl.export.door import Exporter, choose, enter, exporter, leave, load, too_many

__all__ = ["Exporter", "choose", "enter", "exporter", "leave", "load", "too_many"]
