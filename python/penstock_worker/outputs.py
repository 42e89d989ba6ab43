"""Checks what `predict` returned, and encodes it: rows in are rows out, and no datatype changes its kind."""

from .errors import failed
from .tensors import Spec, array_bytes, np, write_strings

_BY_DTYPE = {
    "?": "BOOL", "b": "INT8", "h": "INT16", "i": "INT32", "l": "INT64", "q": "INT64", "B": "UINT8", "H": "UINT16", "I": "UINT32",
    "L": "UINT64", "Q": "UINT64", "e": "FP16", "f": "FP32", "d": "FP64",
}  # fmt: skip


def named_outputs(value):
    """What `predict` returned as a dict of names and arrays: `output`, `output_1` … unless it names them."""
    if isinstance(value, dict):
        return {str(name): value[name] for name in value}
    if _is_frame(value):
        return {str(name): value[name] for name in value.columns}
    values = list(value) if isinstance(value, tuple) else [value]
    return {"output" if i == 0 else "output_%d" % i: item for i, item in enumerate(values)}


def _is_frame(value):
    return type(value).__module__.partition(".")[0] == "pandas" and hasattr(value, "columns")


def as_array(name, value):
    """A numpy array of anything that `predict` may return. Raises `model_failed`."""
    if isinstance(value, np.ndarray):
        return value
    if value is None:
        raise failed("predict() returned None in output '%s' where an array was due" % name)
    if hasattr(value, "detach"):  # a torch tensor
        value = value.detach().cpu()
        if str(value.dtype) == "torch.bfloat16":
            import torch

            return value.contiguous().view(torch.int16).numpy().view(Spec("", "BF16", []).dtype)
        return value.numpy()
    if hasattr(value, "toarray"):  # a sparse matrix
        return value.toarray()
    if hasattr(value, "numpy") and callable(value.numpy):  # a tensor of TensorFlow
        return value.numpy()
    if hasattr(value, "to_numpy"):  # a column of pandas
        return _of_column(name, value)
    try:
        return np.asarray(value)
    except ValueError:
        raise failed("predict() returned a list in output '%s' whose elements differ in length" % name) from None


def is_nullable_number(dtype):
    """Whether it is a type of pandas whose missing values are not numbers, such as Int64."""
    return not isinstance(dtype, np.dtype) and getattr(dtype, "kind", "O") in tuple("biuf")


def _of_column(name, column):
    dtype = getattr(column, "dtype", None)
    if not is_nullable_number(dtype):
        return column.to_numpy()
    if column.isna().any():
        raise failed(
            "predict() returned missing values in output '%s', a column of the nullable type %s: expected numbers. "
            ".astype('float64') makes NaN of them" % (name, dtype)
        )
    return column.to_numpy(dtype=dtype.numpy_dtype)


def datatype_of(name, array):
    """The datatype of an array; strings and objects are BYTES."""
    datatype = _BY_DTYPE.get(array.dtype.char)
    if datatype is not None:
        return datatype
    if array.dtype.kind in "OUST":
        return "BYTES"
    if array.dtype.name == "bfloat16":
        return "BF16"
    raise failed(
        "predict() returned the dtype %s in output '%s', which cannot be served: expected numbers, bool or str" % (array.dtype, name)
    )


def encoded(index, spec, value, rows):
    """(index, datatype, shape, bytes) of one output. `rows` is None if outputs need not have the rows of the inputs."""
    name = spec.name
    if spec.datatype == "BYTES" and len(spec.shape) == 1 and isinstance(value, list) and len(value) == rows:
        return index, "BYTES", (rows,), write_strings(name, value)  # also without numpy
    array = as_array(name, value)
    shape = array.shape
    if rows is not None and spec.is_batched and (len(shape) == 0 or shape[0] != rows):
        raise failed("predict() returned %s in output '%s' for %s: expected a row for each" % (_counted(shape), name, _rows(rows)))
    if len(shape) != len(spec.shape) or any(due not in (-1, size) for due, size in zip(spec.shape, shape)):
        raise failed("predict() returned the shape %s in output '%s': expected %s" % (list(shape), name, spec.shape))
    if spec.datatype == "BYTES":
        if array.dtype.kind not in "OUST":
            raise failed("predict() returned %s in output '%s' where strings were due" % (array.dtype, name))
        return index, "BYTES", shape, write_strings(name, array.reshape(-1).tolist())
    if array.dtype != spec.dtype:
        if array.dtype == object:
            raise failed("predict() returned an array of objects in output '%s': expected %s" % (name, spec.datatype))
        if not _can_cast(array, spec):
            raise failed("predict() returned %s in output '%s': expected %s" % (array.dtype, name, spec.datatype))
        array = array.astype(spec.dtype)
    return index, spec.datatype, shape, array_bytes(np.ascontiguousarray(array))


def _can_cast(array, spec):
    return np.can_cast(array.dtype, spec.dtype, "same_kind")


def encode_outputs(specs, values, rows):
    """All outputs in the order of the signature. `values`: a list in that order, a dict of names, or the one output."""
    if isinstance(values, tuple):
        values = list(values)
    elif not isinstance(values, (list, dict)):
        values = named_outputs(values)
    if isinstance(values, dict):
        missing = [spec.name for spec in specs if spec.name not in values]
        if missing:
            raise failed("predict() did not return the output '%s'" % missing[0])
        values = [values[spec.name] for spec in specs]
    if len(values) != len(specs):
        due = "%d array%s of %s" % (len(specs), "s" if len(specs) > 1 else "", _rows(rows))
        raise failed("predict() returned %d outputs where %s were due" % (len(values), due))
    return [encoded(index, spec, value, rows) for index, (spec, value) in enumerate(zip(specs, values))]


def check_returned(value, specs, rows):
    """Raises `model_failed` if `predict` returned nothing."""
    if value is None:
        arrays = "%d arrays" % len(specs) if len(specs) > 1 else "an array"
        raise failed("predict() returned None where %s of %s %s due" % (arrays, _rows(rows), "were" if len(specs) > 1 else "was"))


def _rows(rows):
    return "1 row" if rows == 1 else "%s rows" % ("any" if rows is None else rows)


def _counted(shape):
    return "a scalar" if len(shape) == 0 else _rows(shape[0])


def observed_specs(first, second, first_rows, second_rows):
    """The signature of the outputs of two runs with different rows and sizes: what differs between the runs varies."""
    specs = []
    if list(first) != list(second):
        raise failed("predict() returned the outputs %s, then %s: expected the same for any rows" % (list(first), list(second)))
    for name in first:
        one, two = as_array(name, first[name]), as_array(name, second[name])
        if one.ndim != two.ndim:
            raise failed("output '%s' has %d dimensions, then %d: expected the same for any rows" % (name, one.ndim, two.ndim))
        if first_rows is not None and (one.ndim == 0 or one.shape[0] != first_rows or two.shape[0] != second_rows):
            raise failed(
                "predict() returned %s in output '%s' for %s: expected a row for each" % (_counted(one.shape), name, _rows(first_rows))
            )
        shape = [size if size == other else -1 for size, other in zip(one.shape, two.shape)]
        specs.append(Spec(name, datatype_of(name, one), shape))
    if not specs:
        raise failed("predict() returned no output")
    return specs
