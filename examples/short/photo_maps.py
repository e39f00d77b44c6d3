"""Draw the feature maps of a photograph
=====================================

Two filters of 7×7, all zero but for one line, over a photograph that ships inside scikit-learn (extra ``data``).
"""

import numpy as np
from matplotlib.figure import Figure

import fastconv as fc

photograph = fc.data.load_sample_photographs().images[:1] / np.float32(255)
line = np.eye(7, dtype=np.float32)[3]  # one in the middle
filters = np.stack([np.tile(line, (3, 7, 1)), np.tile(line[:, None], (3, 1, 7))])
vertical, horizontal = fc.conv2d(photograph, filters, stride=2, padding="same")[0]
figure = Figure(figsize=(9, 2.4), layout="constrained")
shown = {"photograph": photograph[0].transpose(1, 2, 0), "vertical lines": vertical, "horizontal lines": horizontal}
for axes, (title, picture) in zip(figure.subplots(1, 3), shown.items()):
    axes.imshow(picture, cmap="gray")
    axes.set(title=title, xticks=[], yticks=[])
figure.savefig("photo_maps.png")
