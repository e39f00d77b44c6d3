"""Networks as estimators of scikit-learn. Needs the extra ``sklearn``."""

try:
    import sklearn.base  # noqa: F401 - asked for here, where it can be said what is missing
except ImportError as error:
    raise ImportError(
        f"fastconv.sklearn: scikit-learn must be installed for estimators, but it cannot be imported ({error}). "
        'Install it with: python -m pip install "fastconv[sklearn]"'
    ) from None

from fastconv.sklearn.classifier import CNNClassifier
from fastconv.sklearn.regressor import CNNRegressor

__all__ = ["CNNClassifier", "CNNRegressor"]
