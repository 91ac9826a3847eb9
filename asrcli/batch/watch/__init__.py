"""Recordings that arrive in folders: when one is complete, and the command that is run on its results."""
