"""Boosters of LightGBM, from their text format."""

from ..opened import Opened
from ..tensors import Spec, np
from .columns import INPUT_NAME

_HEADER_BYTES = 64 * 1024
_LINE_MAX = 1024


def open_model(source):
    import lightgbm

    header = _header(source.file)
    booster = lightgbm.Booster(model_file=str(source.file))
    objective = header.get("objective", "").split(" ")[0]
    classes = int(header.get("num_class", "1"))
    outputs, shape = _outputs(objective, classes)
    threads = source.threads

    def run(values):
        return shape(booster.predict(values[0], num_threads=threads))

    opened = Opened("tensors", [Spec(INPUT_NAME, "FP64", [-1, booster.num_feature()])], outputs, run)
    opened.columns = [{"name": name, "datatype": "FP64"} for name in booster.feature_name()]
    if booster.pandas_categorical:
        opened.notes.append("categorical features are given as the numbers of their categories")
    opened.facts["objective"] = objective
    return opened


def _header(path):
    """The lines `name=value` at the start of the file, without the long ones."""
    with open(path, "rb") as file:
        lines = file.read(_HEADER_BYTES).decode("utf-8", "replace").split("\n")
    found = {}
    for line in lines:
        name, equals, value = line.partition("=")
        if equals and len(line) <= _LINE_MAX:
            found.setdefault(name, value)
        if line.startswith("Tree=") or line.startswith("tree_sizes"):
            break
    return found


def _outputs(objective, classes):
    """The outputs, or None if they must be observed, and what makes them of a prediction."""
    label = Spec("label", "INT64", [-1])
    if objective == "binary":
        return [label, Spec("probabilities", "FP64", [-1, 2])], lambda p: _labelled(np.stack((1.0 - p, p), axis=1))
    if objective in ("multiclass", "multiclassova"):
        return [label, Spec("probabilities", "FP64", [-1, classes])], _labelled
    return None, lambda p: {"value": p}


def _labelled(probabilities):
    return [np.argmax(probabilities, axis=1).astype("i8"), probabilities]
