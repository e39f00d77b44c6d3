"""Search for a learning rate with scikit-learn
============================================

A network is an estimator like any other (extra ``sklearn``): here a grid of choices goes through cross-validation.
"""

# sphinx_gallery_thumbnail_path = "_static/networks.svg"

from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, train_test_split

from fastconv.sklearn import CNNClassifier

learn_x, test_x, learn_y, test_y = train_test_split(*load_digits(return_X_y=True), random_state=0)
model = CNNClassifier(input_shape=(1, 8, 8), random_state=0)
search = GridSearchCV(model, {"epochs": [2, 4], "lr": [0.0003, 0.003]}, cv=3).fit(learn_x, learn_y)
for how, score in zip(search.cv_results_["params"], search.cv_results_["mean_test_score"]):
    print(f"{how['epochs']} epochs at {how['lr']:g}: {score:.1%}")
print(f"the best on digits that it has not seen: {search.score(test_x, test_y):.1%}")
