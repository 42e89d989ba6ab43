"""Folders of MLflow, through `mlflow.pyfunc`: any library that it knows."""

import os

from ..errors import failed, invalid
from ..jsonform import INPUTS, OUTPUTS, dump_json
from ..opened import Opened, spec_of_array
from ..outputs import datatype_of, named_outputs
from ..tensors import Spec, np, object_array
from .columns import INPUT_NAME, Columns, column_datatype

_DATATYPES = {
    "boolean": "BOOL", "integer": "INT32", "long": "INT64", "float": "FP32", "double": "FP64", "string": "BYTES", "binary": "BYTES",
    "datetime": "BYTES",
}  # fmt: skip


def open_model(source):
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("DO_NOT_TRACK", "true")
    import mlflow.pyfunc

    folder = source.holding("MLmodel")
    model = mlflow.pyfunc.load_model(str(folder))
    signature = model.metadata.signature
    schema = None if signature is None else signature.inputs
    example = _example(model, folder)
    if schema is None:
        return _without_signature(model, source, example)
    if schema.is_tensor_spec():
        return _of_tensors(model, schema, example)
    kinds = [_kind(column) for column in schema.inputs]
    if any(kind not in _DATATYPES for kind in kinds):
        return _of_json(model)
    return _of_columns(model, schema, kinds, source, example)


def _kind(column):
    """`double` of `DataType.double`; the class of a type that is an array, an object or a map."""
    return getattr(column.type, "name", None) or type(column.type).__name__


def _example(model, folder):
    """The rows that were saved with the model, or None."""
    try:
        return model.metadata.load_input_example(str(folder))
    except Exception:
        return None


def _of_columns(model, schema, kinds, source, example):
    names = [column.name for column in schema.inputs]
    keys = [i if name is None else name for i, name in enumerate(names)]
    columns = _TypedColumns(keys, kinds)
    opened = Opened("tensors", columns.specs(), None, lambda values: named_outputs(model.predict(columns.frame(values))))
    opened.columns = columns.as_message()
    frame = source.sample.frame() if source.sample is not None else example
    if hasattr(frame, "columns"):
        opened.sampled = columns.sampled(frame)
    return opened


class _TypedColumns(Columns):
    """Columns with the types of MLflow, which accepts no other: times are ISO 8601 texts in a request."""

    def __init__(self, keys, kinds):
        super().__init__(keys, [_DATATYPES[kind] for kind in kinds])
        self._kinds = kinds

    def specs(self):
        specs = super().specs()
        if not self.is_single:
            for spec, kind in zip(specs, self._kinds):
                spec.is_text = kind != "binary"
        return specs

    def frame(self, inputs):
        import pandas

        frame = super().frame(inputs)
        for key, kind in zip(self.keys, self._kinds):
            if kind == "datetime":
                try:
                    frame[key] = _times(pandas, frame[key])
                except (ValueError, TypeError) as error:
                    raise invalid("column '%s' is not a time in ISO 8601: %s" % (key, str(error).partition("\n")[0])) from None
        return frame

    def sampled(self, frame):
        values = super().sampled(frame)
        for i, (key, kind) in enumerate(zip(self.keys, self._kinds)):
            if kind == "binary" and not self.is_single:
                values[i] = [item if isinstance(item, bytes) else str(item).encode() for item in frame[key].head(len(values[i]))]
        return values


def _times(pandas, texts):
    """Times of ISO 8601 texts, which need not all have the same precision."""
    is_new = int(pandas.__version__.partition(".")[0]) >= 2
    return pandas.to_datetime(texts, **({"format": "ISO8601"} if is_new else {})).astype("datetime64[ns]")


def _of_tensors(model, schema, example):
    specs = []
    for i, tensor in enumerate(schema.inputs):
        name = tensor.name or (INPUT_NAME if i == 0 else "%s_%d" % (INPUT_NAME, i))
        specs.append(Spec(name, datatype_of(name, np.empty(0, tensor.type)), tensor.shape))
    is_named = any(tensor.name for tensor in schema.inputs)
    types = [tensor.type for tensor in schema.inputs]

    def array(value, dtype):
        if isinstance(value, list):
            return np.array(value, dtype) if dtype.kind in "US" else object_array(value)
        return value

    def run(values):
        arrays = [array(value, dtype) for value, dtype in zip(values, types)]
        return named_outputs(model.predict({spec.name: value for spec, value in zip(specs, arrays)} if is_named else arrays[0]))

    opened = Opened("tensors", specs, None, run)
    if isinstance(example, np.ndarray) and len(specs) == 1 and specs[0].datatype != "BYTES" and example.ndim == len(specs[0].shape):
        opened.sampled = [example.astype(specs[0].dtype)]
    return opened


def _of_json(model):
    """Columns that hold lists or objects: rows are JSON objects."""
    import json

    import pandas

    def run(values):
        try:
            rows = [json.loads(text) for text in values[0]]
        except ValueError as error:
            raise invalid("a row is not JSON: %s" % error) from None
        if not all(isinstance(row, dict) for row in rows):
            raise invalid("each row must be an object with the columns of the model")
        results = model.predict(pandas.DataFrame(rows))
        if hasattr(results, "to_dict") and hasattr(results, "columns"):
            results = results.to_dict("records")
        results = results.tolist() if hasattr(results, "tolist") else list(results)
        if len(results) != len(rows):
            raise failed("the model returned %d results for %d rows: expected one for each" % (len(results), len(rows)))
        return [[dump_json(result) for result in results]]

    return Opened("json", INPUTS, OUTPUTS, run)


def _without_signature(model, source, example):
    """Without a signature, real rows show what the model takes."""
    if source.inputs is not None:
        if len(source.inputs) > 1 or source.inputs[0].datatype == "BYTES":
            columns = Columns([spec.name for spec in source.inputs], [spec.datatype for spec in source.inputs], is_single=False)
            return Opened("tensors", source.inputs, None, lambda values: named_outputs(model.predict(columns.frame(values))))
        return Opened("tensors", source.inputs, None, lambda values: named_outputs(model.predict(values[0])))
    rows = source.sample.frame() if source.sample is not None else example
    if rows is None:
        raise failed("the MLflow model has no signature: save it with signature=infer_signature(x, y), or give a sample of real rows (--sample rows.csv)")
    if hasattr(rows, "columns"):
        datatypes = [column_datatype(rows[name]) for name in rows.columns]
        if "BYTES" in datatypes:
            columns = Columns(list(rows.columns), datatypes, is_single=False)
            opened = Opened("tensors", columns.specs(), None, lambda values: named_outputs(model.predict(columns.frame(values))))
            opened.columns, opened.sampled = columns.as_message(), columns.sampled(rows)
            return opened
        rows = rows.to_numpy("f8")
    array = np.asarray(rows)
    opened = Opened("tensors", [spec_of_array(INPUT_NAME, array)], None, lambda values: named_outputs(model.predict(values[0])))
    opened.sampled = [array]
    return opened
