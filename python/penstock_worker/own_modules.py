"""Modules that a model brings along, apart from those of other models in the same worker: both may have a `helper.py`."""

import os
import sys


class OwnModules:
    """Within it, the modules below the model's folder can be imported and are those of this model; outside of it they are away."""

    def __init__(self, folder):
        self._folder = os.path.realpath(folder) + os.sep
        self._modules = {}
        self._paths = []
        # Modules and paths at the last entry; None before the first exit, as the model may have been opened before in this worker.
        self._entered = None

    def __enter__(self):
        sys.modules.update(self._modules)
        sys.path[:0] = self._paths
        if self._entered is not None:
            self._entered = (len(sys.modules), list(sys.path))
        return self

    def __exit__(self, *_):
        # A run seldom imports anything: then nothing is looked through.
        if self._entered != (len(sys.modules), sys.path):
            self._modules = {name: module for name, module in list(sys.modules.items()) if self._is_own(_place(module))}
            self._paths = [path for path in sys.path if self._is_own(path)]
        for name in self._modules:
            sys.modules.pop(name, None)
        for path in self._paths:
            sys.path.remove(path)
        self._entered = self._entered or (0, [])

    def _is_own(self, path):
        return path is not None and (os.path.realpath(path) + os.sep).startswith(self._folder)


def _place(module):
    """The file of a module, or the folder of a package without one; None for others."""
    named = getattr(module, "__dict__", {})
    file = named.get("__file__")
    if isinstance(file, str):
        return file
    try:
        return next(iter(named.get("__path__") or ()), None)
    except TypeError:
        return None
