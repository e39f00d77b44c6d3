"""The friendly door: the only place that checks what a user passed. Below it nothing is checked again."""
