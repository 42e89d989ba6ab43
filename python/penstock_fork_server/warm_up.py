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
    """Runs a few operations of the libraries that are imported. Returns the names of those that it ran."""
    done = []
    for name, run in (("sklearn", _sklearn), ("torch", _torch)):
        try:
            if name in sys.modules and run():
                done.append(name)
        except Exception:
            pass  # another version of the library: the first run of each worker does it
    return done


def _sklearn():
    """The first check of an input looks for the plug-ins of libraries of frames in all installed packages, the first pickle for helpers."""
    import io

    import joblib
    import numpy
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(numpy.zeros((2, 2)))
    scaler.transform(numpy.zeros((1, 2)))
    file = io.BytesIO()
    joblib.dump(scaler, file)
    file.seek(0)
    joblib.load(file)
    joblib.Parallel(n_jobs=1, require="sharedmem")(joblib.delayed(abs)(number) for number in range(2))  # one job runs in this thread
    return True


def _torch():
    """With more than one thread it does nothing: an operation may start threads, and those do not exist in a fork."""
    import torch

    if os.environ.get("OMP_NUM_THREADS") != "1":
        return False
    with torch.inference_mode():
        tensors = torch.zeros(2, 4), torch.zeros(3, 4), torch.zeros(3)
        unit = torch.jit.CompilationUnit(_SOURCE)
        for _ in range(_RUNS):
            unit.warm(*tensors)
    return True
