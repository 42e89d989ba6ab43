"""Models of CatBoost, from their binary format."""

from ..errors import failed
from ..opened import Opened
from ..outputs import datatype_of
from ..tensors import Spec, np
from .columns import INPUT_NAME, Columns

# Their predictions are the exponent of the raw value, as CatBoostRegressor has it.
_EXPONENT = ("Poisson", "Tweedie")
_LABELLED = ("Logloss", "CrossEntropy", "MultiClass", "MultiClassOneVsAll")


def open_model(source):
    import catboost

    model = catboost.CatBoost().load_model(str(source.file))
    if model.get_embedding_feature_indices():
        raise failed("the model has embedding features, which cannot be served: write a model.py that calls it")
    texts = set(model.get_cat_feature_indices()) | set(model.get_text_feature_indices())
    names = [str(name) for name in model.feature_names_]
    columns = Columns(names, ["BYTES" if i in texts else "FP64" for i in range(len(names))])
    inputs = columns.specs() if texts else [Spec(INPUT_NAME, "FP64", [-1, len(names)])]
    loss = str(model.get_all_params().get("loss_function", "")).partition(":")[0]
    threads = source.threads

    def convert(values):
        return columns.frame(values) if texts else values[0]

    outputs, run = _outputs(model, loss, convert, threads)
    opened = Opened("tensors", inputs, outputs, run)
    opened.columns = columns.as_message()
    if outputs is not None:
        opened.classes = [str(label) for label in np.asarray(model.classes_).tolist()[:1000]]
    opened.facts["objective"] = loss
    return opened


def _outputs(model, loss, convert, threads):
    """The outputs, or None if they must be observed, and the function that computes them."""
    classes = np.asarray(model.classes_) if model.classes_ is not None else np.empty(0)
    if len(classes) == 0 or loss not in _LABELLED:
        kind = "Exponent" if loss in _EXPONENT else "RawFormulaVal"
        return None, lambda values: {"value": model.predict(convert(values), prediction_type=kind, thread_count=threads)}
    datatype = datatype_of("label", classes)
    outputs = [Spec("label", datatype, [-1]), Spec("probabilities", "FP64", [-1, len(classes)])]

    def run(values):
        rows = convert(values)
        probabilities = model.predict(rows, prediction_type="Probability", thread_count=threads)
        labels = model.predict(rows, prediction_type="Class", thread_count=threads).reshape(-1)
        if datatype == "BYTES":
            labels = [str(label) for label in labels]
        return [labels if isinstance(labels, list) else labels.astype(classes.dtype), probabilities]

    return outputs, run
