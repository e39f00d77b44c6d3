"""Somebody else's loop code: recognised, examined, timed against fast, and replaced by it."""
