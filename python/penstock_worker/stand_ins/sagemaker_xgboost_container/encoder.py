"""Bodies as the matrices of XGBoost."""

import numpy as np
import xgboost
from penstock_worker.tables import csv_table, libsvm_table
from sagemaker_inference import errors


def _text(body):
    return body.decode("utf-8") if isinstance(body, (bytes, bytearray)) else body


def csv_to_dmatrix(input, dtype=None):
    return xgboost.DMatrix(csv_table(_text(input)).astype(dtype or np.float64))


def libsvm_to_dmatrix(string_like):
    return xgboost.DMatrix(libsvm_table(_text(string_like)))


def decode(obj, content_type):
    """The matrix of a body. Raises `UnsupportedFormatError`."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "text/csv":
        return csv_to_dmatrix(obj)
    if kind in ("text/libsvm", "text/x-libsvm"):
        return libsvm_to_dmatrix(obj)
    raise errors.UnsupportedFormatError(kind)
