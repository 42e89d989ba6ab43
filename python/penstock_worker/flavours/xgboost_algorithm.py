"""SageMaker's XGBoost algorithm: a file `xgboost-model` without a script. Requests and replies are those of its container: rows of CSV or
LIBSVM, and one line with the predictions."""

import os
import pickle

from ..errors import PlatformError, failed, invalid
from ..invocation import Reply
from ..opened import Opened
from ..tables import csv_table, libsvm_table
from ..tensors import np

FILE_NAME = "xgboost-model"
_CSV = "text/csv"
_LIBSVM = ("text/libsvm", "text/x-libsvm")


def open_model(source):
    import xgboost

    booster = _booster(xgboost, source.file.read_bytes())
    booster.set_param({"nthread": source.threads})
    best = booster.attr("best_iteration")
    rounds = (0, int(best) + 1) if best is not None else (0, 0)

    def invoke(call):
        if not call.body.strip():
            return Reply(b"", _CSV)
        matrix = xgboost.DMatrix(_rows(call, booster.num_features()))
        predictions = booster.predict(matrix, iteration_range=rounds, validate_features=False).tolist()
        return Reply(_line(predictions).encode(), _CSV)

    opened = Opened("bytes", outputs=(), invoke=invoke)
    opened.notes.append("serves as the XGBoost algorithm of SageMaker does, one request at a time; under another file name rows are batched")
    return opened


def _booster(xgboost, content):
    """Older versions of the container pickled it."""
    if content[:1] != b"\x80":
        booster = xgboost.Booster()
        booster.load_model(bytearray(content))
        return booster
    booster = pickle.loads(content)
    booster = booster.get_booster() if hasattr(booster, "get_booster") else booster
    if not isinstance(booster, xgboost.Booster):
        raise failed("%s holds a %s: expected a Booster of XGBoost" % (FILE_NAME, type(booster).__name__))
    return booster


def _rows(call, features):
    """The rows of a body. Raises `invalid_request` with the status that the container gives."""
    kind = call.content_type.partition(";")[0].strip().lower() or _CSV
    if kind != _CSV and kind not in _LIBSVM:
        raise PlatformError("invalid_request", "content type %s is not supported: expected text/csv or text/libsvm" % kind, status=415)
    text = call.text()
    try:
        if kind in _LIBSVM:
            return libsvm_table(text, features)
        table = csv_table(text)
    except ValueError as error:
        raise PlatformError("invalid_request", "the body is not %s: %s" % (kind, error), status=415) from None
    if table.shape[1] not in (features, features - 1):  # the container takes rows without the last column, too
        raise invalid("the rows have %d columns: expected the %d features of the model" % (table.shape[1], features))
    return table if table.shape[1] == features else np.pad(table, ((0, 0), (0, 1)), constant_values=np.nan)


def _line(predictions):
    """All predictions on one line; in a batch transform a line each."""
    words = map(str, predictions)
    return "\n".join(words) + "\n" if os.environ.get("SAGEMAKER_BATCH") else ",".join(words)
