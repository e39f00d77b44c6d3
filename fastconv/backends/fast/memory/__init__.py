"""Where arrays lie in memory: layout, changes of order, scratch buffers, and the cache of plans."""
