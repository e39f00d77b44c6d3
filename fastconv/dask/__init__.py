"""Images larger than memory, and inference on clusters, with Dask. Needs the extra ``dask``.

Every task computes on one thread: Dask runs as many at a time as there are cores.
"""

try:
    import dask.array  # noqa: F401 - asked for here, where it can be said what is missing
except ImportError as error:
    raise ImportError(
        f"fastconv.dask: dask must be installed for arrays in pieces, but it cannot be imported ({error}). "
        'Install it with: python -m pip install "fastconv[dask]"'
    ) from None

from fastconv.dask.inference import predict
from fastconv.dask.operations import avg_pool2d, conv2d, max_pool2d

__all__ = ["avg_pool2d", "conv2d", "max_pool2d", "predict"]
