"""Find out whether a network fits in memory
=========================================

Nothing is computed: the memory of a training step follows from the shapes.
"""

# sphinx_gallery_thumbnail_path = "_static/networks.svg"

import fastconv as fc

model = fc.models.by_name("resnet20", rng=0)
budget = 2 * 2**30  # bytes
for batch in (32, 256, 2048, 16384):
    needed = fc.summary(model, (3, 32, 32), batch=batch, optimizer="adam").peak_training_bytes
    print(f"batch {batch:6,}: {needed / 2**30:6.2f} GiB {'fits' if needed <= budget else 'does not fit'} into 2 GiB")
