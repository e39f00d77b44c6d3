"""Whether ``mpirun`` has started this process, as one of several."""

from __future__ import annotations

import os
import sys

from fastconv.cli.console import require
from fastconv.parallel.ranks import Ranks

# what MPICH and its kin, Open MPI, and the launchers of clusters tell the processes that they start
_SIZES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MPI_LOCALNRANKS")


def ranks_of_launcher(operation: str) -> Ranks:
    """Return the ranks that were started together; all but the first print nothing from now on.

    Parameters
    ----------
    operation : str
        The command, for the message of an error.

    Raises
    ------
    ImportError
        If there are several and mpi4py is missing (extra ``mpi``).
    """
    if not any(os.environ.get(name, "1") != "1" for name in _SIZES):
        return Ranks(operation)
    require("mpi4py", "mpi", f"{operation} on several processes")
    from mpi4py import MPI

    ranks = Ranks(operation, MPI.COMM_WORLD)
    if not ranks.is_first:
        sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - until the process ends
    return ranks
