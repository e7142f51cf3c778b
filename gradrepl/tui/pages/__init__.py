"""The screens, a file each; the table of all is :mod:`gradrepl.tui.views`."""
