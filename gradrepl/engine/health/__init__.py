"""Training that is watched while it runs: norms, verdicts, and where the time goes."""
