"""Planes in another size: cells copied or summed along their axes, and the gradients."""
