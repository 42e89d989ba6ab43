"""Boosters of XGBoost, from JSON, UBJSON or the old binary format."""

import json

from ..opened import Opened
from ..tensors import Spec, np
from . import xgboost_algorithm
from .columns import INPUT_NAME


def open_model(source):
    if source.file.name == xgboost_algorithm.FILE_NAME:
        return xgboost_algorithm.open_model(source)
    import xgboost

    booster = xgboost.Booster()
    booster.load_model(bytearray(source.file.read_bytes()))  # the name of the file need not say its format
    booster.set_param({"nthread": source.threads})
    configuration = json.loads(booster.save_config())["learner"]
    count = booster.num_features()
    outputs, shape = _outputs(configuration, booster)
    predict = _predictor(xgboost, booster, configuration)
    opened = Opened("tensors", [Spec(INPUT_NAME, "FP32", [-1, count])], outputs, lambda values: shape(predict(values[0])))
    names = booster.feature_names
    if names:
        opened.columns = [{"name": str(name), "datatype": "FP32"} for name in names]
    types = booster.feature_types or []
    if "c" in types:
        opened.notes.append("categorical features are given as the numbers of their categories")
    opened.facts["objective"] = _objective(configuration)
    return opened


def _objective(configuration):
    return str(configuration.get("objective", {}).get("name", ""))


def _predictor(xgboost, booster, configuration):
    """Raw predictions. Training that stopped early is cut at its best iteration, as the classes of XGBoost do."""
    best = booster.attr("best_iteration")
    rounds = (0, int(best) + 1) if best is not None else (0, 0)
    kind = str(configuration.get("gradient_booster", {}).get("name", ""))
    if kind == "gblinear":
        return lambda x: booster.predict(xgboost.DMatrix(x), validate_features=False)
    return lambda x: booster.inplace_predict(x, iteration_range=rounds, validate_features=False)


def _outputs(configuration, booster):
    """The outputs, or None if they must be observed, and what makes them of a raw prediction."""
    objective = _objective(configuration)
    classes = int(configuration.get("learner_model_param", {}).get("num_class", "0") or 0)
    label = Spec("label", "INT64", [-1])
    if objective == "binary:logistic":
        return [label, Spec("probabilities", "FP64", [-1, 2])], _binary
    if objective == "multi:softprob":
        return [label, Spec("probabilities", "FP64", [-1, classes])], lambda p: [np.argmax(p, axis=1), p]
    if objective in ("multi:softmax", "binary:hinge"):
        return [label], lambda p: [p.astype("i8")]
    return None, lambda p: {"value": p.astype("f8")}


def _binary(positive):
    """Both probabilities and the label, as XGBClassifier computes them."""
    return [(positive > 0.5).astype("i8"), np.stack((1.0 - positive, positive), axis=1)]
