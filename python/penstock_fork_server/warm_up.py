"""What a library does at its first use and not at its import, done once before the forks instead of in each of them."""
import os
import sys

# The interpreter of TorchScript is set up at the first run, and its profile is made in the first two.
_RUNS = 3
_SOURCE = """
def warm(x: Tensor, w: Tensor, b: Tensor):
    return torch.softmax(torch.relu(torch.nn.functional.linear(x, w, b)), 1)
"""


def warm_up():
    """Runs a few operations of torch if it is imported. Returns whether it did. With more than one thread it does not: an operation may start
    threads, and those do not exist in a fork."""
    torch = sys.modules.get("torch")
    if torch is None or os.environ.get("OMP_NUM_THREADS") != "1":
        return False
    try:
        with torch.inference_mode():
            tensors = torch.zeros(2, 4), torch.zeros(3, 4), torch.zeros(3)
            unit = torch.jit.CompilationUnit(_SOURCE)
            for _ in range(_RUNS):
                unit.warm(*tensors)
    except Exception:
        return False  # another version of torch: the first run of each worker does it
    return True
