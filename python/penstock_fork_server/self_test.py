"""Runs in a forked worker before any other: arithmetic that hangs in a fork, if it is to hang, does so here."""
import sys

_SIZE = 64

numpy = sys.modules.get("numpy")
if numpy is not None:
    square = numpy.ones((_SIZE, _SIZE), dtype=numpy.float64)
    if (square @ square)[0, 0] != _SIZE:
        sys.exit("a product of matrices is wrong after a fork")
torch = sys.modules.get("torch")
if torch is not None:
    square = torch.ones((_SIZE, _SIZE))
    if (square @ square)[0, 0].item() != _SIZE:
        sys.exit("a product of tensors is wrong after a fork")
