"""All that says why: errors, leaves, cut graphs, nan and inf, overwritten values, findings."""
