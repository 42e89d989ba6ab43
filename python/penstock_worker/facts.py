"""Facts about the environment that a model was opened in: the interpreter, the libraries that it loaded, and their modules."""

import platform
import sys

# Modules that the fork server imports ahead: deeper ones are imported by these.
_DEPTH_MAX = 2
_MODULES_MAX = 2000


def _is_installed(file):
    return "site-packages" in file or "dist-packages" in file


def loaded_modules():
    """Modules of installed packages that were imported, without the model's own code and the standard library."""
    names = []
    for name in sorted(sys.modules):
        file = getattr(sys.modules[name], "__file__", None)
        if isinstance(file, str) and _is_installed(file) and name.count(".") < _DEPTH_MAX and not _is_private(name):
            names.append(name)
    return names[:_MODULES_MAX]


def _is_private(name):
    return any(part.startswith("_") for part in name.split("."))


def environment_facts():
    """`python`: the version; `libraries`: versions by the name of the distribution; `modules`: what a fork server imports ahead."""
    modules = loaded_modules()
    tops = sorted({name.partition(".")[0] for name in modules})
    return {"python": platform.python_version(), "libraries": _versions(tops), "modules": modules}


# The library of each flavour: the module that has its version, and the names of its packages.
_LIBRARIES = {
    "sklearn": ("sklearn", ("scikit-learn",)),
    "skops": ("sklearn", ("scikit-learn",)),
    "xgboost": ("xgboost", ("xgboost", "xgboost-cpu")),
    "lightgbm": ("lightgbm", ("lightgbm",)),
    "catboost": ("catboost", ("catboost",)),
    "torchscript": ("torch", ("torch",)),
    "torch-export": ("torch", ("torch",)),
    "mlflow": ("mlflow", ("mlflow", "mlflow-skinny")),
    "tensorflow": ("tensorflow", ("tensorflow", "tensorflow-cpu")),
    "keras": ("keras", ("keras",)),
}


def changed_library(flavour, opened):
    """A note if the major or minor version of the flavour's library is another than when the model was opened; otherwise None. `opened`:
    versions by package."""
    module, packages = _LIBRARIES.get(flavour, (None, ()))
    now = getattr(sys.modules.get(module), "__version__", None)
    before = next((opened[package] for package in packages if package in opened), None)
    if not isinstance(now, str) or before is None or _minor(now) == _minor(before):
        return None
    return "opened with %s %s, this environment has %s: approve the model again to test it" % (packages[0], before, now)


def _minor(version):
    return version.split(".")[:2]


def _versions(tops):
    from importlib import metadata

    names = _distributions(metadata)
    versions = {}
    for top in tops:
        name = names.get(top)
        try:
            version = metadata.version(name) if name else str(getattr(sys.modules[top], "__version__", ""))
        except metadata.PackageNotFoundError:
            continue
        if version:
            versions[name or top] = version
    return versions


def _distributions(metadata):
    """The distribution of each importable name. `packages_distributions` is new in Python 3.10."""
    if hasattr(metadata, "packages_distributions"):
        return {name: found[0] for name, found in metadata.packages_distributions().items()}
    names = {}
    for distribution in metadata.distributions():
        name = distribution.metadata["Name"]  # parsed at each use
        for path in distribution.files or ():
            if len(path.parts) > 1 and path.suffix == ".py":
                names.setdefault(path.parts[0], name)
    return names
