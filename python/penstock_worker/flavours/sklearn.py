"""Models of scikit-learn and whatever else a pickle holds that has `predict`: from joblib, pickle or skops files."""

import pickle
import warnings

from ..errors import failed, invalid
from ..opened import Opened, try_out, two_inputs
from ..outputs import datatype_of
from ..tensors import Spec, np
from .columns import INPUT_NAME, Columns, column_datatype

# Their `predict` is the class of the largest of `predict_proba`, so one call serves both.
_LABEL_IS_LARGEST = {
    "sklearn.ensemble._forest": ("RandomForestClassifier", "ExtraTreesClassifier"),
    "sklearn.ensemble._bagging": ("BaggingClassifier",),
    "sklearn.calibration": ("CalibratedClassifierCV",),
}


def open_model(source, flavour="sklearn"):
    notes = []
    model = _unpickled(source, flavour, notes)
    if not hasattr(model, "predict") and not hasattr(model, "transform"):
        raise failed("the file holds an object of type %s, which has no predict(): expected a fitted model" % type(model).__name__)
    _limit_threads(model, source.threads)
    inputs, columns, convert = _inputs(model, source)
    outputs, predict = _outputs(model)
    opened = Opened("tensors", inputs, outputs, lambda values: predict(convert(values)), notes=notes)
    if columns is not None:
        opened.columns = columns.as_message()
    if _is_classifier(model):
        opened.classes = [str(label) for label in model.classes_.tolist()[:1000]]
    if source.sample is not None:
        opened.sampled = _sampled(source, inputs, columns)
    if columns is not None and columns.is_single and convert is _first and not _runs(opened):
        opened.run = lambda values: predict(columns.frame(values))
    if source.outputs is None:
        try_out(opened)
    return opened


def _unpickled(source, flavour, notes):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            model = _load_skops(source) if flavour == "skops" else _load_pickle(source.file)
        except ModuleNotFoundError:
            raise
        except Exception as error:
            version = next((v for v in map(_made_with, caught) if v), None)
            if version is None:
                raise
            raise failed("the file was %s, and does not open: %s: %s" % (version, type(error).__name__, error)) from error
    notes.extend(sorted({version for version in map(_made_with, caught) if version}))
    return model


def _load_pickle(path):
    try:
        import joblib
    except ImportError:
        joblib = None
    if joblib is not None:
        return joblib.load(path)
    with open(path, "rb") as file:
        return pickle.load(file)


def _load_skops(source):
    from skops.io import get_untrusted_types, load

    # Approving the version approved these types.
    return load(source.file, trusted=get_untrusted_types(file=source.file))


def _made_with(warning):
    """`made with scikit-learn 1.7.2, this environment has 1.9.1`, from scikit-learn's own warning."""
    message = warning.message
    original = getattr(message, "original_sklearn_version", None)
    if original is None:
        return None
    return "made with scikit-learn %s, this environment has %s" % (original, message.current_sklearn_version)


def _limit_threads(model, threads):
    """A model that was fitted with `n_jobs=-1` must not use all processors, nor start processes for a few rows."""
    try:
        parameters = model.get_params(deep=True)
    except Exception:
        return
    limited = {name: threads for name in parameters if name == "n_jobs" or name.endswith("__n_jobs")}
    for name, value in limited.items():
        if parameters[name] not in (None, 1, value):
            try:
                model.set_params(**{name: value})
            except Exception:
                return


def _steps(model):
    """The steps of a pipeline, or the model itself. Of a search, those of the best model."""
    model = getattr(model, "best_estimator_", model)
    steps = getattr(model, "steps", None)
    return [step for _, step in steps if step is not None and step != "passthrough"] if isinstance(steps, list) else [model]


def _final(model):
    last = _steps(model)[-1]
    return last if last is model else _final(last)


def _needs_frame(model):
    """Whether a step selects its columns by name, which scikit-learn does only for frames."""
    for step in _steps(model):
        for _, _, selected in getattr(step, "transformers_", None) or ():
            if isinstance(selected, str) or (isinstance(selected, (list, tuple, np.ndarray)) and any(isinstance(c, str) for c in selected)):
                return True
    return False


def _inputs(model, source):
    """The inputs, the columns or None, and what makes the argument of `predict` of the inputs."""
    count = getattr(model, "n_features_in_", None)
    names = getattr(model, "feature_names_in_", None)
    if names is None and _is_text_first(model):
        return [Spec(INPUT_NAME, "BYTES", [-1])], None, _first
    if names is not None:
        texts = _text_columns(model)
        datatypes = ["BYTES" if name in texts else "FP64" for name in names]
        if source.sample is not None and "BYTES" not in datatypes:
            datatypes = _sample_datatypes(source.sample, names, datatypes)
        if (
            source.inputs is not None
            and len(source.inputs) == len(names)
            and [spec.name for spec in source.inputs] == [str(n) for n in names]
        ):
            datatypes = [spec.datatype for spec in source.inputs]
        columns = Columns(names, datatypes)
        return columns.specs(), columns, columns.frame if _needs_frame(model) or not columns.is_single else _first
    if count is None:
        if source.inputs is not None:
            return source.inputs, None, _first
        if source.sample is not None:
            array = source.sample.array()
            return (
                [Spec(INPUT_NAME, "FP64" if array.dtype.kind in "fiub" else datatype_of(INPUT_NAME, array), [-1, *array.shape[1:]])],
                None,
                _first,
            )
        raise failed("the %s does not say how many features it takes: give a sample of real rows (--sample rows.csv)" % type(model).__name__)
    texts = _text_positions(model)
    if texts:
        datatypes = ["BYTES" if i in texts else "FP64" for i in range(int(count))]
        columns = Columns(["column_%d" % i for i in range(int(count))], datatypes)
        return columns.specs(), columns, _object_rows
    return [Spec(INPUT_NAME, "FP64", [-1, int(count)])], None, _first


def _first(values):
    return values[0]


def _object_rows(values):
    """Columns of different types as one array of objects, for a model that was fitted with such an array."""
    return np.stack([np.asarray(value, dtype=object) for value in values], axis=1)


def _is_text_first(model):
    """The first step turns texts into numbers."""
    first = _steps(model)[0]
    return hasattr(first, "vocabulary_") or type(first).__name__ in ("HashingVectorizer", "TfidfVectorizer", "CountVectorizer")


def _encoder_categories(step):
    """(position, is text) of each column that an encoder has learnt the categories of."""
    categories = getattr(step, "categories_", None)
    if not isinstance(categories, list):
        return []
    return [(i, getattr(values, "dtype", np.dtype("f8")).kind in "OUST") for i, values in enumerate(categories)]


def _text_selections(model):
    """What a column transformer selects for encoders of texts: names or positions."""
    found = []
    for step in _steps(model):
        for _, transformer, selected in getattr(step, "transformers_", None) or ():
            if isinstance(transformer, str) or transformer is None:
                continue
            first = _steps(transformer)
            if any(_is_text_first(inner) for inner in first[:1]):
                found.extend([selected] if isinstance(selected, (str, int)) else list(selected))
                continue
            if isinstance(selected, (list, tuple, np.ndarray)):
                positions = {i for inner in first for i, is_text in _encoder_categories(inner) if is_text}
                statistics = {i for inner in first for i in _object_statistics(inner)}
                found.extend(selected[i] for i in sorted(positions | statistics) if i < len(selected))
        if step is _steps(model)[0] and not hasattr(step, "transformers_"):
            found.extend(i for i, is_text in _encoder_categories(step) if is_text)
    return found


def _object_statistics(step):
    """Columns whose learnt replacement for missing values is a text."""
    statistics = getattr(step, "statistics_", None)
    if getattr(statistics, "dtype", None) != object:
        return []
    return [i for i, value in enumerate(statistics) if isinstance(value, str)]


def _text_columns(model):
    names = [str(name) for name in model.feature_names_in_]
    return {item if isinstance(item, str) else names[item] for item in _text_selections(model)}


def _text_positions(model):
    return {item for item in _text_selections(model) if isinstance(item, (int, np.integer))}


def _sample_datatypes(sample, names, datatypes):
    """Strings in the sample make a column BYTES; numbers stay as they are."""
    try:
        frame = sample.frame()
    except Exception:
        return datatypes
    return ["BYTES" if name in frame.columns and column_datatype(frame[name]) == "BYTES" else due for name, due in zip(names, datatypes)]


def _sampled(source, inputs, columns):
    """The sample as inputs of a run."""
    if columns is not None and not all(name.startswith("column_") for name in columns.names):
        return columns.sampled(source.sample.frame())
    if inputs[0].datatype == "BYTES":
        rows = source.sample.rows() if source.sample.content_type != "text/csv" else source.sample.frame().iloc[:, 0].tolist()
        return [[str(row[0] if isinstance(row, list) else row) for row in rows]]
    array = source.sample.array()
    due = inputs[0].shape
    if array.ndim != len(due) or (len(due) == 2 and due[1] not in (-1, array.shape[1])):
        found = "%d columns" % array.shape[1] if array.ndim == 2 else "the shape %s" % list(array.shape)
        raise invalid("the sample has %s: expected the %s features of the model" % (found, due[-1]))
    return [array.astype(inputs[0].dtype)]


def _is_classifier(model):
    classes = getattr(model, "classes_", None)
    return isinstance(classes, np.ndarray) and classes.ndim == 1


def _outputs(model):
    """The outputs, None if they must be observed, and the function that computes them."""
    final = _final(model)
    if _is_classifier(model) and hasattr(model, "predict"):
        classes = model.classes_
        label = Spec("label", "BYTES" if classes.dtype.kind in "OUST" else datatype_of("label", classes), [-1])
        if not hasattr(model, "predict_proba"):
            return [label], lambda x: [_labels(model.predict(x))]
        outputs = [label, Spec("probabilities", "FP64", [-1, len(classes)])]
        if type(final).__name__ in _LABEL_IS_LARGEST.get(type(final).__module__, ()):
            return outputs, lambda x: _labelled(classes, model.predict_proba(x))
        return outputs, lambda x: [_labels(model.predict(x)), model.predict_proba(x)]
    if not hasattr(model, "predict"):
        return None, lambda x: {"output": model.transform(x)}
    if getattr(final, "_estimator_type", None) == "regressor" or _has_tag(final, "regressor"):
        return None, lambda x: {"value": _as_double(model.predict(x))}
    return None, lambda x: {"output": model.predict(x)}


def _labels(values):
    """One label for each row: CatBoost returns a column of them."""
    values = np.asarray(values)
    return values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values


def _as_double(values):
    """FP32 as FP64, which is exact, so that the signature is that of other libraries."""
    values = np.asarray(values)
    return values.astype("f8") if values.dtype == np.float32 else values


def _has_tag(model, kind):
    try:
        return model.__sklearn_tags__().estimator_type == kind
    except Exception:
        return False


def _labelled(classes, probabilities):
    return [classes.take(np.argmax(probabilities, axis=1), axis=0), probabilities]


def _runs(opened):
    """Whether the model takes an array. Some steps select columns by name, which needs a frame."""
    try:
        opened.run(two_inputs(opened.inputs, opened.sampled)[0])
        return True
    except Exception:
        return False
