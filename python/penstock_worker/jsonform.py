"""The form json: the signature `request BYTES [-1]` -> `response BYTES [-1]`, each element one JSON text."""

import json
import math

from .annotations import json_element_type
from .errors import failed, invalid
from .tensors import Spec

INPUTS = (Spec("request", "BYTES", [-1]),)
OUTPUTS = (Spec("response", "BYTES", [-1]),)
_TYPE_NAMES = {str: "a string", dict: "an object", list: "an array", int: "an integer", float: "a number", bool: "true or false"}


def _plain(value):
    """What `json` does not know: numpy scalars and arrays, tensors, sets and frames."""
    for method in ("tolist", "to_dict"):
        convert = getattr(value, method, None)
        if callable(convert):
            return convert("records") if method == "to_dict" and hasattr(value, "columns") else convert()
    if isinstance(value, (set, frozenset)):
        return list(value)
    if isinstance(value, bytes):
        raise TypeError("bytes are not JSON: decode them, or encode them as base64")
    raise TypeError("a %s is not JSON" % type(value).__name__)


def _finite(value):
    """The value with null for numbers that JSON does not have."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, (str, int, type(None))):
        return value
    return _finite(_plain(value))


def dump_json(value):
    """The JSON text of what the model returned. NaN and Inf become null. Raises `model_failed`."""
    try:
        try:
            return json.dumps(value, default=_plain, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        except ValueError:
            return json.dumps(_finite(value), ensure_ascii=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise failed("predict() returned what is not JSON: %s" % error) from None


def _parsed(text, row, element_type):
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise invalid("row %d is not JSON: %s" % (row, error)) from None
    check_type(value, element_type, "row %d" % row)
    return value


def check_type(value, element_type, what):
    """Raises `invalid_request` if a JSON value is not of the type that `predict` declares."""
    if element_type is None:
        return
    accepted = (int, float) if element_type is float else element_type
    if not isinstance(value, accepted) or (isinstance(value, bool) and element_type in (int, float)):
        raise invalid("%s must be %s, got %s" % (what, _TYPE_NAMES[element_type], _json_name(value)))


def _json_name(value):
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    return _TYPE_NAMES.get(type(value), type(value).__name__)


def json_run(call, takes):
    """The function that runs a batch of JSON texts. `call(value)` is `predict` with the rows, or with one of them."""
    element_type = json_element_type(next(iter(takes.parameters.values())))

    def run(inputs):
        values = [_parsed(text, row, element_type) for row, text in enumerate(inputs[0])]
        if not takes.is_batch:
            return [[dump_json(call(value)) for value in values]]
        results = call(values)
        if hasattr(results, "tolist"):
            results = results.tolist()
        if not isinstance(results, (list, tuple)):
            raise failed("predict() returned a %s: expected a list of %d" % (type(results).__name__, len(values)))
        if len(results) != len(values):
            raise failed("predict() returned a list of %d for %d rows: expected one for each" % (len(results), len(values)))
        return [[dump_json(result) for result in results]]

    return run
