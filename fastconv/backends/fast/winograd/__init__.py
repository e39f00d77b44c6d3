"""Winograd's minimal filtering: passes of stride 1 with fewer multiplications."""
