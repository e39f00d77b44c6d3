"""The engines with whole networks. Each is imported in its own process alone."""
