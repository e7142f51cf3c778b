"""Graphs, passes and ops as data: JSON and CSV."""

import gradrepl


@gradrepl.hookimpl
def gradrepl_exporters():
    from gradrepl_data_files import tables

    return [
        tables.graph_json,
        tables.pass_csv,
        tables.pass_json,
        tables.ops_csv,
        tables.ops_json,
    ]
