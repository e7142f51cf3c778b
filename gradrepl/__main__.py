"""``python -m gradrepl``, and the script ``gradrepl``."""

import signal


def main() -> int:
    """Run gradrepl; return its exit code."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # Until a client takes it, Ctrl-C ends us at once: an import would show a traceback.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from gradrepl import cli

    return cli.main()


if __name__ == "__main__":
    raise SystemExit(main())
