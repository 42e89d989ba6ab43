"""Models of named columns: one input of all columns if they are numbers of one datatype, otherwise an input for each."""

from ..errors import invalid
from ..opened import FIRST_ROWS
from ..tensors import DTYPES, Spec, np, object_array

INPUT_NAME = "x"
_LISTED_MAX = 8


class Columns:
    """`names` and `datatypes` of the columns, in their order. `is_single`: one input has all of them, with the datatype `common`."""

    def __init__(self, names, datatypes, is_single=None):
        self.names = [str(name) for name in names]
        self.keys = list(names)
        self.datatypes = list(datatypes)
        is_uniform = len(set(self.datatypes)) == 1 and "BYTES" not in self.datatypes
        self.is_single = is_uniform if is_single is None else is_single
        self.common = self.datatypes[0]

    def specs(self):
        if self.is_single:
            return [Spec(INPUT_NAME, self.common, [-1, len(self.names)])]
        return [Spec(name, datatype, [-1]) for name, datatype in zip(self.names, self.datatypes)]

    def as_message(self):
        return [{"name": name, "datatype": datatype} for name, datatype in zip(self.names, self.datatypes)]

    def frame(self, inputs):
        """The inputs of a run as a pandas frame with the datatypes of the columns."""
        import pandas

        if not self.is_single:
            columns = [object_array(value) if isinstance(value, list) else value for value in inputs]
            return pandas.DataFrame(dict(zip(self.keys, columns)), copy=False)
        return pandas.DataFrame(inputs[0], columns=self.keys, copy=False)

    def sampled(self, frame):
        """The rows of a sample as inputs of a run. Raises `invalid_request` if a column is missing."""
        missing = [name for name, key in zip(self.names, self.keys) if key not in frame.columns and name not in frame.columns]
        if missing:
            known = {*self.names, *self.keys}
            raise _wrong_columns(missing, [str(name) for name in frame.columns if name not in known])
        rows = frame.head(max(FIRST_ROWS, 16))
        columns = [rows[key if key in rows.columns else name] for name, key in zip(self.names, self.keys)]
        if self.is_single:
            return [np.stack([column.to_numpy(DTYPES[self.common]) for column in columns], axis=1)]
        return [
            [str(item) for item in column] if datatype == "BYTES" else column.to_numpy(DTYPES[datatype])
            for column, datatype in zip(columns, self.datatypes)
        ]


def _wrong_columns(missing, extra):
    unknown = "" if not extra else ", and has %s, which the model does not take" % _quoted(extra)
    return invalid("the sample lacks the column%s %s%s" % ("s" if len(missing) > 1 else "", _quoted(missing), unknown))


def _quoted(names):
    more = " and %d more" % (len(names) - _LISTED_MAX) if len(names) > _LISTED_MAX else ""
    return ", ".join("'%s'" % name for name in names[:_LISTED_MAX]) + more


def column_datatype(series):
    """The datatype of a column of pandas: objects, strings, categories and times are BYTES."""
    from ..outputs import datatype_of, is_nullable_number

    dtype = series.dtype
    if is_nullable_number(dtype):
        raise invalid(
            "column '%s' of the sample has the nullable type %s, whose missing values no request can hold: use float64, which has NaN"
            % (series.name, dtype)
        )
    if getattr(dtype, "kind", "O") in "biuf" and isinstance(dtype, np.dtype):
        return datatype_of(str(series.name), np.empty(0, dtype))
    return "BYTES"
