"""A model that was opened: what it takes and returns, and how it is called."""

import base64
import io
import json
import os
from pathlib import Path

from .errors import PlatformError, failed, invalid
from .tensors import Spec, np, object_array

SAMPLE_BYTES_MAX = 16 * 1024 * 1024
# Rows of the two runs that show the outputs: sizes that differ between them vary.
FIRST_ROWS, SECOND_ROWS = 2, 3
_FIRST_SIZE, _SECOND_SIZE = 4, 5


class Opened:
    """`form`: tensors, json, bytes or stream. `run(values)` takes the inputs in the order of the signature and returns the outputs in
    their order or by name. `invoke(request)` serves the other forms. `columns`: names and datatypes of the columns, if the model
    has any. `facts`: further facts for the registry."""

    def __init__(self, form="tensors", inputs=(), outputs=None, run=None, invoke=None, columns=None, classes=None, notes=(), facts=None):
        self.form = form
        self.inputs = list(inputs)
        self.outputs = None if outputs is None else list(outputs)
        self.run = run
        self.invoke = invoke
        self.columns = columns
        self.classes = classes
        self.notes = list(notes)
        self.facts = facts or {}
        # Rows of the sample as inputs of a run, or None.
        self.sampled = None


def try_out(opened):
    """Runs the model once with rows of the sample, or made-up ones."""
    return run_once(opened, two_inputs(opened.inputs, opened.sampled)[0])


def run_once(opened, inputs):
    """Runs the model at its opening. Raises `model_failed` with the reason."""
    try:
        return opened.run(inputs)
    except PlatformError:
        raise
    except Exception as error:
        rows = "%d rows of the sample" % FIRST_ROWS if opened.sampled is not None else "%d made-up rows" % FIRST_ROWS
        advice = "" if opened.sampled is not None else ". Give a sample of real rows (--sample rows.csv)"
        raise failed("predict() failed for %s: %s: %s%s" % (rows, type(error).__name__, error, advice)) from error


class Source:
    """Where a model lies and how it is to be opened. `path`: a folder, or the file itself. `entry`: the path of the model in the folder.
    `inputs`: those that were approved, or that the user declared, or None. `outputs`: those that were approved; None at the first
    opening."""

    def __init__(self, path, entry="", sample=None, threads=1, inputs=None, outputs=None):
        self.threads = threads
        self.sample = sample
        self.inputs = inputs
        self.outputs = outputs
        whole = Path(path)
        if whole.is_dir():
            self.folder = whole
            self.file = (whole / entry) if entry not in ("", ".") else whole
            inside = os.path.realpath(self.file)
            if inside != os.path.realpath(whole) and not inside.startswith(os.path.realpath(whole) + os.sep):
                raise invalid("the entry '%s' leads out of the model's folder" % entry)
        else:
            self.folder = whole.parent
            self.file = whole
        if not self.file.exists():
            raise failed("the model has no file '%s'" % (entry or whole.name))

    def holding(self, name):
        """The folder of a model that is a folder, from the entry or a file `name` in it."""
        return self.file if self.file.is_dir() else self.file.parent


class Sample:
    """Real rows that came with the model: a body as clients send it."""

    def __init__(self, content_type, body, label=None):
        self.content_type = content_type.partition(";")[0].strip().lower()
        self.body = body
        self.label = label

    @classmethod
    def of(cls, message):
        """From `{contentType, body, label?}` of a call, the body as base64; None if it has no sample."""
        if not message:
            return None
        text = message.get("body")
        if not isinstance(text, str) or len(text) > SAMPLE_BYTES_MAX * 4 // 3 + 4:
            raise invalid("the sample must have at most %d MiB" % (SAMPLE_BYTES_MAX // 1024**2))
        return cls(str(message.get("contentType", "")), base64.b64decode(text), message.get("label"))

    def frame(self):
        """The rows as a pandas frame. Raises `invalid_request`."""
        import pandas

        try:
            if self.content_type == "text/csv":
                frame = pandas.read_csv(io.BytesIO(self.body))
            elif self.content_type in ("application/x-npy", "application/octet-stream"):
                frame = pandas.DataFrame(self.array())
            else:
                frame = pandas.DataFrame(self.rows())
        except Exception as error:
            raise invalid("the sample is not a table: %s" % error) from None
        return frame.drop(columns=[self.label]) if self.label in frame.columns else frame

    def array(self):
        """The rows as one array. Raises `invalid_request`."""
        try:
            if self.content_type in ("application/x-npy", "application/octet-stream"):
                array = np.load(io.BytesIO(self.body), allow_pickle=False)
            elif self.content_type == "text/csv":
                array = self._csv()
            else:
                array = np.asarray(self.rows())
        except Exception as error:
            raise invalid("the sample is not an array: %s" % error) from None
        if array.ndim == 0 or array.shape[0] == 0 or array.dtype == object:
            raise invalid("the sample is not an array of rows: it has the shape %s and the dtype %s" % (list(array.shape), array.dtype))
        return array

    def rows(self):
        """The rows as a list of JSON values. Raises `invalid_request`."""
        text = self.body.decode("utf-8-sig")
        if "jsonl" in self.content_type or "ndjson" in self.content_type or "jsonlines" in self.content_type:
            return [json.loads(line) for line in text.splitlines() if line.strip()]
        if self.content_type == "text/plain":
            return [text]
        value = json.loads(text)
        if isinstance(value, dict):
            for key in ("instances", "dataframe_records", "inputs"):
                if key in value:
                    value = value[key]
                    break
            else:
                if "dataframe_split" in value:
                    table = value["dataframe_split"]
                    return [dict(zip(table["columns"], row)) for row in table["data"]]
                return [value]
        return value if isinstance(value, list) else [value]

    def _csv(self):
        lines = self.body.decode("utf-8-sig").splitlines()
        try:
            [float(word) for word in lines[0].split(",")]
            skipped = 0
        except ValueError:
            skipped = 1
        array = np.genfromtxt(lines, delimiter=",", skip_header=skipped, ndmin=2)
        names = [word.strip().strip('"') for word in lines[0].split(",")]
        if skipped and self.label in names:
            array = np.delete(array, names.index(self.label), axis=1)
        return array


def made_up(specs, rows, size):
    """Values for each input: numbers between 0 and 1, always the same. `size` is used for dimensions that vary, other than the rows."""
    random = np.random.RandomState(7)
    values = []
    for spec in specs:
        shape = [due if due != -1 else rows if axis == 0 else size for axis, due in enumerate(spec.shape)]
        if spec.datatype == "BYTES":
            count = int(np.prod(shape))
            elements = ["a" if spec.is_text else b"a"] * count
            values.append(elements if len(shape) == 1 else object_array(elements).reshape(shape))
        elif spec.dtype.kind in "fV":
            values.append(random.random_sample(shape).astype(spec.dtype))
        else:
            values.append(random.randint(0, 2, shape).astype(spec.dtype))
    return values


def repeated(array, rows):
    """`rows` rows of a sample, from the start again after its last one."""
    return np.take(array, np.arange(rows) % array.shape[0], axis=0)


def two_inputs(specs, sampled=None):
    """The inputs of two runs with different rows: of the sample, which is a list of arrays or lists, or made up."""
    if sampled is None:
        return made_up(specs, FIRST_ROWS, _FIRST_SIZE), made_up(specs, SECOND_ROWS, _SECOND_SIZE)
    both = []
    for rows in (FIRST_ROWS, SECOND_ROWS):
        both.append([_cycled(value, rows) if spec.is_batched else value for spec, value in zip(specs, sampled)])
    return both


def _cycled(value, rows):
    return [value[i % len(value)] for i in range(rows)] if isinstance(value, list) else repeated(value, rows)


def spec_of_array(name, array):
    """The input that takes arrays like this one: the first dimension varies."""
    from .outputs import datatype_of

    return Spec(name, datatype_of(name, array), [-1, *array.shape[1:]])
