"""The user's code: whose a frame is, running what was typed, the script, what is patched."""
