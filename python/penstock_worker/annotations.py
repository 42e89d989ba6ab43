"""What the annotations of `predict` say: which form a model has, and which tensors it takes and returns.

x: "float32[n,30]"      a batch: the first dimension has a name
x: "float32[30]"        one row
rows: pd.DataFrame      a frame of the batch
texts: list[str]        a batch of JSON values; `text: str` and `item: dict` are one
body: bytes             one request
"""

import ast
import builtins
import inspect
import re
import typing

from .errors import failed
from .tensors import Spec

DTYPE_NAMES = {
    "bool": "BOOL", "int8": "INT8", "int16": "INT16", "int32": "INT32", "int64": "INT64", "uint8": "UINT8", "uint16": "UINT16",
    "uint32": "UINT32", "uint64": "UINT64", "float16": "FP16", "float32": "FP32", "float64": "FP64", "bfloat16": "BF16", "str": "BYTES",
    "bytes": "BYTES",
}  # fmt: skip
_TENSOR = re.compile(r"^\s*([a-z]+[0-9]*)\s*\[([^\[\]]*)\]\s*$")
_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")
RANK_MAX = 32
SIZE_MAX = 2**32 - 1
# Parameters that the worker fills itself.
RESERVED = ("self", "model", "request")
_JSON_TYPES = (str, dict, int, float, bool)


class TensorType:
    """A parsed annotation such as `float32[n,30]`. `dims`: a number or a name for each dimension."""

    __slots__ = ("dtype_name", "datatype", "dims")

    def __init__(self, dtype_name, datatype, dims):
        self.dtype_name = dtype_name
        self.datatype = datatype
        self.dims = dims

    @property
    def is_batch(self):
        """The first dimension has a name: it is the rows."""
        return len(self.dims) > 0 and isinstance(self.dims[0], str)

    def spec(self, name):
        """The tensor in the signature. One row gets the dimension of the rows in front."""
        shape = [-1 if isinstance(size, str) else size for size in self.dims]
        return Spec(name, self.datatype, shape if self.is_batch else [-1, *shape], is_text=self.dtype_name != "bytes")


def parse_tensor_type(text):
    """Parses an annotation; None if it does not look like one. Raises `model_failed` if it does and is wrong."""
    match = _TENSOR.match(text)
    if match is None:
        return None
    dtype_name, listed = match.groups()
    datatype = DTYPE_NAMES.get(dtype_name)
    if datatype is None:
        raise failed("unknown dtype '%s' in the annotation '%s': expected one of %s" % (dtype_name, text, ", ".join(DTYPE_NAMES)))
    dims = []
    for word in listed.split(",") if listed.strip() else []:
        word = word.strip()
        if word.isascii() and word.isdigit() and int(word) <= SIZE_MAX:
            dims.append(int(word))
        elif _NAME.match(word):
            dims.append(word)
        else:
            raise failed("invalid dimension '%s' in the annotation '%s': expected a number or a name" % (word, text))
    if len(dims) > RANK_MAX:
        raise failed("the annotation '%s' has %d dimensions: expected at most %d" % (text, len(dims), RANK_MAX))
    return TensorType(dtype_name, datatype, dims)


def resolved(annotation, scope):
    """The annotation as an object: a TensorType, or what the text of a postponed annotation evaluates to. None if there is none."""
    if annotation is inspect.Parameter.empty or annotation is None:
        return None
    if typing.get_origin(annotation) is getattr(typing, "Annotated", object()):
        return _first_tensor_type(annotation.__metadata__)
    if hasattr(annotation, "__metadata__"):
        return _first_tensor_type(annotation.__metadata__)
    if not isinstance(annotation, str):
        return annotation
    parsed = None if _is_type_expression(annotation, scope) else parse_tensor_type(annotation)
    if parsed is not None:
        return parsed
    try:
        value = ast.literal_eval(annotation)
    except (ValueError, SyntaxError):
        try:
            value = eval(annotation, dict(scope))  # the text of the user's own annotation
        except Exception as error:
            parse_tensor_type(annotation)  # `float[n,3]` is neither a type of Python nor a tensor
            raise failed("the annotation '%s' cannot be read: %s" % (annotation, error)) from None
    return resolved(value, scope) if isinstance(value, str) or hasattr(value, "__metadata__") else value


def _is_type_expression(text, scope):
    """A postponed `list[str]` looks like a tensor of the dtype `list`."""
    head = text.partition("[")[0].strip()
    return head not in DTYPE_NAMES and (head in scope or hasattr(builtins, head))


def _first_tensor_type(metadata):
    for item in metadata:
        if isinstance(item, str):
            parsed = parse_tensor_type(item)
            if parsed is not None:
                return parsed
    return None


def output_types(annotation, scope):
    """The outputs that a return annotation names, as a dict; None if it names none."""
    if isinstance(annotation, (tuple, list)):
        found = {"output" if i == 0 else "output_%d" % i: resolved(item, scope) for i, item in enumerate(annotation)}
    elif isinstance(annotation, dict):
        found = {str(name): resolved(item, scope) for name, item in annotation.items()}
    else:
        value = resolved(annotation, scope)
        if isinstance(value, (tuple, list, dict)):
            return output_types(value, scope)
        found = {"output": value}
    return found if all(isinstance(item, TensorType) for item in found.values()) else None


class Takes:
    """What `predict` takes. `kind`: tensors, frame, json or bytes; `is_batch`: called with all rows at once. `parameters`: names to
    their types, without those that the worker fills. `returns`: the outputs that are annotated, or None."""

    __slots__ = ("kind", "is_batch", "parameters", "returns", "is_stream", "passes")

    def __init__(self, kind, is_batch, parameters, returns, is_stream, passes):
        self.kind = kind
        self.is_batch = is_batch
        self.parameters = parameters
        self.returns = returns
        self.is_stream = is_stream
        self.passes = passes


_UNKNOWN = 'predict() says neither what it takes nor was a --sample given; write `def predict(x: "float32[n,30]")`'


def read_predict(function, has_sample=False):
    """Reads the parameters of `predict`. Raises `model_failed` with what to write instead."""
    scope = getattr(inspect.unwrap(function), "__globals__", {})
    signature = inspect.signature(function)
    passes, types = [], {}
    for name, parameter in signature.parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise failed("predict() has the parameter '%s' of a kind that cannot be called by name: expected plain parameters" % parameter)
        if name in RESERVED:
            passes.append(name)
            continue
        value = resolved(parameter.annotation, scope)
        if value is None and parameter.default is not parameter.empty and types:
            continue  # an option that has a default is left at it
        types[name] = value
    if not types:
        raise failed('predict() takes no input: expected a parameter besides model and request, such as x: "float32[n,30]"')
    returns = output_types(signature.return_annotation, scope) if signature.return_annotation is not signature.empty else None
    return _takes(types, returns, inspect.isgeneratorfunction(inspect.unwrap(function)), passes, has_sample)


def _takes(types, returns, is_stream, passes, has_sample):
    first = next(iter(types.values()))
    if all(isinstance(value, TensorType) for value in types.values()):
        if is_stream:
            raise failed("predict() yields and takes tensors: a stream takes `item: dict`, `text: str` or `body: bytes`")
        batches = [name for name, value in types.items() if value.is_batch]
        if 0 < len(batches) < len(types):
            row = next(name for name in types if name not in batches)
            raise failed(
                "predict() takes a batch in '%s' and one row in '%s': give both or none a named first dimension" % (batches[0], row)
            )
        return Takes("tensors", len(batches) > 0, types, returns, False, passes)
    if first is bytes:
        return Takes("bytes", False, types, returns, is_stream, passes)
    if len(types) == 1 and is_data_frame(first):
        return Takes("frame", True, types, returns, False, passes)
    if len(types) == 1 and is_json_batch(first):
        if is_stream:
            raise failed(
                "predict() yields and takes a list: a stream serves one request, so it takes `item: dict`, `text: str` or `body: bytes`"
            )
        return Takes("json", True, types, returns, False, passes)
    if len(types) == 1 and first in _JSON_TYPES:
        return Takes("json", False, types, returns, is_stream, passes)
    if first is None and len(types) == 1 and has_sample and not is_stream:
        return Takes("sample", True, types, returns, False, passes)
    if all(value is None for value in types.values()):
        raise failed(_UNKNOWN)
    wrong = ", ".join("%s: %s" % (name, _shown(value)) for name, value in types.items())
    raise failed(
        'predict(%s) cannot be served: expected tensors such as "float32[n,30]" for all parameters, or one of pd.DataFrame, list, str, '
        "dict, bytes" % wrong
    )


def _shown(value):
    if value is None:
        return "no annotation"
    if isinstance(value, TensorType):
        return "%s[%s]" % (value.dtype_name, ",".join(map(str, value.dims)))
    return getattr(value, "__name__", None) or str(value)


def is_data_frame(value):
    return getattr(value, "__name__", "") == "DataFrame" and getattr(value, "__module__", "").partition(".")[0] == "pandas"


def is_json_batch(value):
    return value is list or value is typing.List or typing.get_origin(value) is list


def json_element_type(value):
    """The type of each row of a batch, or of the row itself; None if any JSON value is accepted."""
    element = value
    if is_json_batch(value):
        arguments = typing.get_args(value)
        element = arguments[0] if len(arguments) == 1 else None
    element = typing.get_origin(element) or element
    return element if element in (str, dict, list, int, float, bool) else None
