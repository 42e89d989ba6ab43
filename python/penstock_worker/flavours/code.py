"""A file of the user with `predict`, or with `class Model`. It needs no import from Penstock."""

import importlib.util
import inspect
import os
import sys

from ..annotations import json_element_type, read_predict
from ..errors import failed
from ..invocation import reply_of
from ..jsonform import INPUTS, OUTPUTS, check_type, json_run
from ..opened import Opened, spec_of_array
from ..outputs import as_array, named_outputs
from ..tensors import np, object_array
from .columns import Columns, column_datatype


def open_model(source):
    module = import_file(source)
    predict = _bound(module, source)
    takes = read_predict(predict.function, source.sample is not None or source.inputs is not None)
    if takes.kind in ("tensors", "frame", "sample") and np is None:
        raise failed("predict() takes tensors, and the environment has no numpy. Add numpy to requirements.txt")
    if takes.is_stream:
        return Opened("stream", outputs=(), invoke=_invoked(predict, takes, lambda values: values))
    if takes.kind == "bytes":
        return Opened("bytes", outputs=(), invoke=_invoked(predict, takes, reply_of))
    if takes.kind == "json":
        name = next(iter(takes.parameters))
        return Opened("json", INPUTS, OUTPUTS, json_run(lambda value: predict(**{name: value}), takes))
    return _of_tensors(predict, takes, source)


def import_file(source):
    """Imports the file; the other files of its folder can be imported by it."""
    path = source.file
    for folder in (str(source.folder), str(path.parent)):
        if folder not in sys.path:
            sys.path.insert(0, folder)
            _prefer(folder)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise failed("'%s' is not a Python file" % path.name)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # for pickles of its classes
    spec.loader.exec_module(module)
    return module


def _prefer(folder):
    """A fork server imported modules before the model's folder was known. The model's own module of the same name comes first, as in a
    worker that was spawned."""
    forker = sys.modules.get("penstock_fork_server.forker")
    if forker is None:
        return
    own = {name[:-3] if name.endswith(".py") else name for name in os.listdir(folder)}
    for name in [name for name in sys.modules if name.partition(".")[0] in own and name in forker.imported_ahead]:
        del sys.modules[name]


class _Predict:
    """`predict` with what the worker fills: the model that `load` returned."""

    def __init__(self, function, fixed):
        self.function = function
        self._fixed = fixed

    def __call__(self, request=None, **inputs):
        if "request" in self._requested:
            inputs["request"] = request
        return self.function(**self._fixed, **inputs)

    @property
    def _requested(self):
        cached = self.__dict__.get("_names")
        if cached is None:
            cached = self.__dict__["_names"] = tuple(inspect.signature(self.function).parameters)
        return cached


def _bound(module, source):
    """`predict` of the module, or of its class, ready to be called."""
    function, kind = getattr(module, "predict", None), getattr(module, "Model", None)
    is_function, is_class = callable(function), inspect.isclass(kind)
    if is_function and is_class:
        raise failed("%s has predict() and class Model: expected one of them" % source.file.name)
    if is_class:
        if not callable(getattr(kind, "predict", None)):
            raise failed("class Model of %s has no predict(): expected a method predict(self, …)" % source.file.name)
        instance = kind(source.folder) if _takes_argument(kind) else kind()
        return _Predict(instance.predict, {})
    if not is_function:
        raise failed("%s has neither predict() nor class Model: expected one of them" % source.file.name)
    load = getattr(module, "load", None)
    takes_model = "model" in inspect.signature(function).parameters
    model = (load(source.folder) if _takes_argument(load) else load()) if callable(load) else None
    if takes_model and not callable(load):
        raise failed("predict() takes `model`, and %s has no load(): write `def load(folder)`, which returns it" % source.file.name)
    return _Predict(function, {"model": model} if takes_model else {})


def _takes_argument(function):
    """Whether a function takes the folder."""
    try:
        return len(inspect.signature(function).parameters) > 0
    except (TypeError, ValueError):
        return True


def _invoked(predict, takes, answer):
    """Calls `predict` with one request. `answer` makes the reply of what it returned."""
    first, first_type = next(iter(takes.parameters.items()))
    others = [name for name in takes.parameters if name != first]
    element_type = json_element_type(first_type)
    for name in others:
        if name not in ("content_type", "accept"):
            raise failed("predict() has the parameter '%s': besides the body, expected content_type, accept or request" % name)

    def invoke(call):
        if takes.kind == "bytes":
            value = call.body
        else:
            value = call.text() if first_type is str and "json" not in call.content_type else call.json()
            if first_type is str and isinstance(value, dict) and "text_input" in value:
                value = value["text_input"]  # a request of generate_stream
            check_type(value, element_type, "the body")
        return answer(predict(request=call.request, **{first: value}, **{name: getattr(call, name) for name in others}))

    return invoke


def _of_tensors(predict, takes, source):
    names = list(takes.parameters)
    columns = sampled = None
    if takes.kind == "frame":
        columns, sampled = _columns(source)
        specs = columns.specs()
        run = _frame_runner(predict, names[0], columns)
    elif takes.kind == "sample":
        specs, sampled = _sampled_input(source, names[0])
        run = _batch_runner(predict, specs)
    else:
        specs = [kind.spec(name) for name, kind in takes.parameters.items()]
        run = _batch_runner(predict, specs) if takes.is_batch else _row_runner(predict, specs)
        sampled = _fitting(source.sample, specs)
    if takes.kind == "tensors" and takes.is_batch:
        run = _checked(run, takes)
    returns = takes.returns
    outputs = None if returns is None else [_output_spec(name, kind, takes) for name, kind in returns.items()]
    opened = Opened("tensors", specs, outputs, _named(run, outputs))
    opened.columns = None if columns is None else columns.as_message()
    opened.sampled = sampled
    return opened


def _output_spec(name, kind, takes):
    if takes.is_batch and not kind.is_batch:
        raise failed("predict() takes a batch, and returns one row in '%s': write its first dimension as a name, such as n" % name)
    if not takes.is_batch and kind.is_batch and takes.kind == "tensors":
        raise failed("predict() takes one row, and returns a batch in '%s': write the dimensions of one row" % name)
    return kind.spec(name)


def _named(run, outputs):
    """Outputs by name, which `predict` gives only in a dict or a frame."""
    if outputs is None:
        return lambda values: _named_or_none(run(values))
    names = [spec.name for spec in outputs]
    if len(names) == 1 and names[0] == "output":
        return run_single(run)

    def by_name(values):
        result = run(values)
        return list(result) if isinstance(result, tuple) else named_outputs(result) if result is not None else None

    return by_name


def run_single(run):
    """One output that has no name: a tuple of one is taken apart."""

    def single(values):
        result = run(values)
        if isinstance(result, dict):
            return named_outputs(result)
        return None if result is None else list(result) if isinstance(result, tuple) else [result]

    return single


def _named_or_none(result):
    return None if result is None else named_outputs(result)


def _as_array(value):
    return object_array(value) if isinstance(value, list) else value


def _batch_runner(predict, specs):
    names = [spec.name for spec in specs]
    if len(specs) == 1 and specs[0].datatype != "BYTES":
        name = names[0]
        return lambda values: predict(**{name: values[0]})
    return lambda values: predict(**{name: _as_array(value) for name, value in zip(names, values)})


def _row_runner(predict, specs):
    """Calls `predict` with each row, and joins what it returned."""
    names = [spec.name for spec in specs]

    def run(values):
        results = [
            named_outputs(_due(predict(**{name: value[row] for name, value in zip(names, values)}))) for row in range(len(values[0]))
        ]
        if not results:
            raise failed("predict() takes one row, and the request has none")
        arrays = [{name: as_array(name, value) for name, value in result.items()} for result in results]
        for row, other in enumerate(arrays):
            if {name: array.shape for name, array in other.items()} != {name: array.shape for name, array in arrays[0].items()}:
                raise failed("predict() returned other shapes for row %d than for row 0: expected the same for each row" % row)
        return {name: np.stack([array[name] for array in arrays]) for name in arrays[0]}

    return run


def _due(result):
    if result is None:
        raise failed("predict() returned None where an array was due")
    return result


def _frame_runner(predict, name, columns):
    return lambda values: predict(**{name: columns.frame(values)})


def _checked(run, takes):
    """Sizes with the same name must be the same in one request."""
    named = [
        (i, axis, size) for i, kind in enumerate(takes.parameters.values()) for axis, size in enumerate(kind.dims) if isinstance(size, str)
    ]
    counts = [size for _, _, size in named]
    shared = [entry for entry in named if counts.count(entry[2]) > 1]
    if not shared:
        return run

    from ..errors import invalid

    def checked(values):
        sizes = {}
        for i, axis, size in shared:
            found = len(values[i]) if axis == 0 else values[i].shape[axis]
            if sizes.setdefault(size, found) != found:
                raise invalid("the dimension '%s' is %d in one input and %d in another: expected the same" % (size, sizes[size], found))
        return run(values)

    return checked


def _sampled_input(source, name):
    """The one input without an annotation: as approved, or as the sample."""
    if source.inputs is not None:
        return source.inputs, None
    array = source.sample.array()
    return [spec_of_array(name, array)], [array]


def _columns(source):
    """The columns of a frame, an input for each: those that were approved, or those of the sample."""
    if source.inputs is not None:
        return Columns([spec.name for spec in source.inputs], [spec.datatype for spec in source.inputs], is_single=False), None
    if source.sample is None:
        raise failed("predict() takes a DataFrame: register it again with real rows that have its columns (--sample rows.csv)")
    frame = source.sample.frame()
    columns = Columns(list(frame.columns), [column_datatype(frame[name]) for name in frame.columns], is_single=False)
    return columns, columns.sampled(frame)


def _fitting(sample, specs):
    """The sample as the one input; None if it does not fit."""
    if sample is None or len(specs) != 1:
        return None
    try:
        if specs[0].datatype == "BYTES":
            return [[str(row) for row in sample.rows()]] if len(specs[0].shape) == 1 else None
        array = sample.array().astype(specs[0].dtype)
    except Exception:
        return None
    fits = array.ndim == len(specs[0].shape) and all(due in (-1, size) for due, size in zip(specs[0].shape, array.shape))
    return [array] if fits else None
