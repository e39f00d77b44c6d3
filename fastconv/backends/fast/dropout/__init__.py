"""Dropout of numbers and of channels: drawing masks, and applying them."""
