"""Training on several processes: their shares of a batch, sums of gradients over them, statistics over all of them.

The processes are *ranks* of an MPI communicator (extra ``mpi``). `fastconv.training.Trainer` is what one uses.
"""
