"""Winograd's minimal filtering: passes with fewer multiplications."""
