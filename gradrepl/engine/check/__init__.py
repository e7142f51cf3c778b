"""What is wrong with a program that runs: a ledger of what happened, and rules that judge it."""
