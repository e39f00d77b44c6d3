"""The networks of CS231n, assignment 2: `cnn` and `fc_net`. As in the original nothing is imported here."""
