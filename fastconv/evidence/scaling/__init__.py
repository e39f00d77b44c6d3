"""How training scales: measured over the ranks of this machine, predicted for more of them."""

from fastconv.evidence.scaling.run import run_scaling
from fastconv.evidence.scaling.scaling import Scaling, plot_scaling

__all__ = ["Scaling", "plot_scaling", "run_scaling"]
