"""Starts Python workers by fork: a process that has imported the libraries forks each worker, isolated, in milliseconds."""
