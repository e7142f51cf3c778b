"""To look at: a graph as SVG and as a page, the screen, times as a trace, and notebooks."""

import gradrepl


@gradrepl.hookimpl
def gradrepl_exporters():
    from gradrepl_drawings import screen
    from gradrepl_drawings.html import html
    from gradrepl_drawings.svg import svg
    from gradrepl_drawings.trace import trace

    return [svg, html, trace, screen.svg, screen.text]


@gradrepl.hookimpl
def gradrepl_html(shown):
    from gradrepl import model
    from gradrepl_drawings import notebook

    return notebook.health(shown) if isinstance(shown, model.Health) else notebook.trace(shown)
