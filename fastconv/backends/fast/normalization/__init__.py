"""Statistics of channels, and normalisation with them."""
