"""What is done to all parameters at once: updates, norms of gradients, penalties."""
