"""Losses with their gradients, and targets of one class each."""
