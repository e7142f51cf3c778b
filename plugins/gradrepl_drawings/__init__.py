"""``:export`` as something to look at: a graph as SVG and as a page, times as a trace."""

import gradrepl


@gradrepl.hookimpl
def gradrepl_exporters():
    from gradrepl_drawings.html import html
    from gradrepl_drawings.svg import svg
    from gradrepl_drawings.trace import trace

    return [svg, html, trace]
