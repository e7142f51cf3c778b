"""Who shares memory with whom, and who wrote to it."""
