"""One module for each kind of model. Each has `open_model(source)`, which returns an `Opened`."""

from importlib import import_module

from ..errors import PlatformError, failed
from ..opened import FIRST_ROWS, SECOND_ROWS, run_once, two_inputs
from ..outputs import check_returned, named_outputs, observed_specs
from ..tensors import np

_MODULES = {
    "sklearn": "sklearn",
    "skops": "sklearn",
    "xgboost": "xgboost",
    "lightgbm": "lightgbm",
    "catboost": "catboost",
    "torchscript": "torch",
    "torch-export": "torch",
    "mlflow": "mlflow",
    "tensorflow": "tensorflow",
    "keras": "tensorflow",
    "code": "code",
    "script-mode": "script_mode",
}
_WITHOUT_NUMPY = ("code", "script-mode")


def open_model(flavour, source):
    """Opens the model. Its outputs are read off two runs if nothing else names them. Raises `PlatformError`, or what its code raises."""
    name = _MODULES.get(flavour)
    if name is None:
        raise PlatformError("unsupported", "unknown flavour '%s': expected one of %s" % (flavour, ", ".join(_MODULES)))
    if np is None and flavour not in _WITHOUT_NUMPY:
        raise failed("the environment has no numpy, which the flavour %s needs. Add numpy to requirements.txt" % flavour)
    module = import_module("%s.%s" % (__name__, name))
    model = module.open_model(source, flavour) if flavour in ("skops", "torch-export", "keras") else module.open_model(source)
    if model.outputs is None and source.outputs is None:
        model.outputs = observed_outputs(model)
    return model


def observed_outputs(model):
    """The outputs of a model, read off two runs with different rows: of the sample, or made up."""
    is_batched = any(spec.is_batched for spec in model.inputs)
    found = []
    for inputs, rows in zip(two_inputs(model.inputs, model.sampled), (FIRST_ROWS, SECOND_ROWS)):
        value = run_once(model, inputs)
        check_returned(value, [], rows if is_batched else None)
        found.append(named_outputs(value))
    return observed_specs(found[0], found[1], *((FIRST_ROWS, SECOND_ROWS) if is_batched else (None, None)))
