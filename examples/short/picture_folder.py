"""Train on a folder of pictures, and predict on one
=================================================

The folder has a folder of PNG files for each class: here those of the digits inside scikit-learn (extra ``data``).
"""

# sphinx_gallery_thumbnail_path = "_static/networks.svg"

from pathlib import Path
from tempfile import mkdtemp

from PIL import Image
from sklearn.datasets import load_digits

import fastconv as fc

folder, digits = Path(mkdtemp()), load_digits()
for number, (pixels, label) in enumerate(zip(digits.images, digits.target)):
    (folder / f"digit {label}").mkdir(exist_ok=True)
    Image.fromarray((pixels * 15.9).astype("uint8")).save(folder / f"digit {label}" / f"{number}.png")

(train, test), model = fc.data.load(folder), fc.models.by_name("digits", rng=0)
trainer = fc.training.Trainer(model, fc.optim.Adam(model.parameters()), prepare=fc.data.Preprocessing.fitted(train))
print(trainer.fit(train, test, epochs=3))
trainer.save(folder / "network.npz")

network, picture = fc.load_model(folder / "network.npz"), fc.data.load_image(folder / "digit 7" / "7.png", color="gray")
print("the picture is a", network.class_names[network.predict([picture])[0]])
