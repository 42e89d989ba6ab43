"""Models that a worker has loaded together, and the plans by which they answer: one model alone, or a cascade, in which rows that the
first model is unsure of go on to the second one. The same answers as `src/runtime/plan-model.ts`, byte for byte."""

import struct
import time

from .errors import PlatformError, failed, invalid
from .outputs import check_returned, encode_outputs
from .tensors import DTYPES, Spec, element_count, np, object_array, read_inputs, read_strings, write_strings

PLANS_MAX = 255
# How a row was answered. FAILED: it went on, the second model failed on it, and the first one answered.
FIRST, SECOND, FAILED = 0, 1, 2
# Positions of further tensors of a result, which no output has.
_MILLISECONDS, _CONFIDENCE, _STAGE = 65533, 65534, 65535


class _Mapped:
    """A model and where it finds the inputs of the contract and its answers. `reads`: the inputs of the contract as this model takes their
    elements."""

    def __init__(self, model, modules, mapping, contract_inputs):
        self.model = model
        self.modules = modules
        self.inputs = [(item["name"], item["row"]) for item in mapping["inputs"]]
        self.outputs = [(item["name"], item["row"]) for item in mapping["outputs"]]
        self.scores = mapping["scores"]
        own = {spec.name: spec for spec in model.inputs}
        self.reads = [
            Spec(spec.name, spec.datatype, spec.shape, own[name].is_text) for spec, (name, _) in zip(contract_inputs, self.inputs)
        ]


class PlanModel:
    """`models`: pairs of a model of the form tensors and its own modules, a context manager. `options`: contract, maps and plans as the
    server sends them. `report(error)` prints the traceback of a second model that failed."""

    def __init__(self, models, options, report=lambda error: None, now=time.perf_counter):
        if np is None:
            raise PlatformError("unsupported", "the environment has no numpy, which plans of several models need. Add numpy to it")
        contract, maps, self._plans = options["contract"], options["maps"], options["plans"]
        if not 1 <= len(self._plans) <= PLANS_MAX or len(models) != len(maps):
            raise PlatformError("internal", "expected a map for each model, and 1 to %d plans" % PLANS_MAX)
        inputs = [Spec.of(spec) for spec in contract["inputs"]]
        self._outputs = [Spec.of(spec) for spec in contract["outputs"]]
        self._models = [_Mapped(model, modules, mapping, inputs) for (model, modules), mapping in zip(models, maps)]
        self._is_single = is_single_plan(options)
        self._report = report
        self._now = now

    def read(self, frame):
        """The plan of a frame, the inputs of its first model, and their rows. Raises `wrong_state` for a plan that is not loaded, and
        `invalid_request`."""
        if frame.plan >= len(self._plans):
            raise PlatformError("wrong_state", "plan %d is not loaded: expected below %d" % (frame.plan, len(self._plans)))
        plan = self._plans[frame.plan]
        inputs = read_inputs(frame, self._models[plan["first"]].reads)
        counts = {len(value) if isinstance(value, list) or value.ndim > 0 else -1 for value in inputs}
        if len(counts) != 1 or -1 in counts:
            raise invalid("expected %d inputs with the same number of rows" % len(inputs))
        return plan, inputs, counts.pop()

    def run(self, frame, plan, inputs, count):
        """The tensors of the answer as (index, datatype, shape, bytes): the outputs of the contract, then, but for a single plan, how each row
        was answered."""
        second = plan["second"]
        if self._is_single:
            outputs, _ = self._answer(plan["first"], inputs, count, None, is_scored=False)
            return [(index, *output) for index, output in enumerate(outputs)]
        started = self._now()
        outputs, confidence = self._answer(plan["first"], inputs, count, None if second is None else np.arange(count))
        first_ended = self._now()
        stage = np.zeros(count, "u1")
        if second is not None:
            unsure = 1 - np.where(np.isnan(confidence), 0.0, confidence)
            rows = np.flatnonzero(unsure > plan["threshold"])
            if len(rows) > 0:
                self._go_on(second, frame, rows, outputs, stage, confidence)
        second_ms = (self._now() - first_ended) * 1e3 if stage.any() else 0.0
        milliseconds = struct.pack("<2d", (first_ended - started) * 1e3, second_ms)
        with np.errstate(over="ignore"):
            confidence = confidence.astype("<f4")
        return [
            *((index, *output) for index, output in enumerate(outputs)),
            (_MILLISECONDS, "FP64", (2,), milliseconds),
            (_CONFIDENCE, "FP32", (count,), confidence.tobytes()),
            (_STAGE, "UINT8", (count,), stage.tobytes()),
        ]

    def _go_on(self, second, frame, rows, outputs, stage, confidence):
        """If the second model fails, its rows run in halves, so that only the rows which cause it are answered by the first model."""
        try:
            answers, _ = self._answer(second, read_inputs(frame, self._models[second].reads), len(rows), rows, is_scored=False)
        except Exception as error:
            if len(rows) == 1:
                if np.isnan(confidence[rows[0]]):
                    raise  # there is no answer to fall back on
                self._report(error)
                stage[rows[0]] = FAILED
                return
            middle = len(rows) // 2
            for half in (rows[:middle], rows[middle:]):
                self._go_on(second, frame, half, outputs, stage, confidence)
            return
        for index, answer in enumerate(answers):
            outputs[index] = _scattered(outputs[index], rows, answer)
        stage[rows] = SECOND

    def _answer(self, index, inputs, count, rows, is_scored=True):
        """The outputs of the contract, each (datatype, shape, bytes), and the largest score of each row: NaN without scores, or if a score
        is not a number. `rows`: those to answer; None: all `count` of them, as views of the frame."""
        mapped = self._models[index]
        model = mapped.model
        gathered = {name: _gathered(value, rows, count, row) for value, (name, row) in zip(inputs, mapped.inputs)}
        with mapped.modules:
            values = model.run([gathered[spec.name] for spec in model.inputs])
            check_returned(values, model.outputs, count)
            encoded = encode_outputs(model.outputs, values, count)
        found = {spec.name: (datatype, shape, data) for spec, (_, datatype, shape, data) in zip(model.outputs, encoded)}
        for name, (_, shape, _) in found.items():
            if len(shape) == 0 or shape[0] != count:
                raise failed("the output '%s' has %s rows, expected %d" % (name, shape[0] if shape else "no", count))
        is_scored = mapped.scores is not None and (is_scored or any(name is None for name, _ in mapped.outputs))
        places, confidence = _largest(found[mapped.scores] if is_scored else None, count)
        outputs = []
        for spec, (name, row) in zip(self._outputs, mapped.outputs):
            if name is None:
                outputs.append(_made_labels(spec, places, row or []))
                continue
            datatype, shape, data = found[name]
            own = tuple(shape[1:])
            if row is not None and element_count(row) != element_count(own):
                raise failed("the output '%s' has the shape %s per row, expected %s" % (name, list(own), list(row)))
            outputs.append((datatype, (count, *(own if row is None else row)), bytes(data)))
        return outputs, confidence


def is_single_plan(options):
    """Whether a worker has a single plan of a single model, and the scores of that model are among its outputs or it has none. Results of such
    a plan have no stages."""
    maps, plans = options["maps"], options["plans"]
    if len(maps) != 1 or len(plans) != 1 or plans[0]["second"] is not None:
        return False
    scores = maps[0]["scores"]
    return scores is None or any(output["name"] == scores for output in maps[0]["outputs"])


def _gathered(value, rows, count, row):
    """These rows of an input, with rows of the shape `row`; None: of their own shape. A copy, as a model may write into its inputs, and the
    next model must see them as they were sent. `rows` None: the input itself."""
    if rows is not None:
        value = [value[i] for i in rows] if isinstance(value, list) else value[rows]
    if row is None:
        return value
    if isinstance(value, list):
        return object_array(value).reshape(count, *row)
    shaped = value.reshape(count, *row)
    return shaped.tolist() if shaped.dtype == object and len(row) == 0 else shaped


def _scattered(whole, rows, some):
    """An output with those rows replaced by the rows of another one, in their order."""
    datatype, shape, data = whole
    count = shape[0]
    if len(rows) == count:
        return datatype, shape, some[2]
    if datatype == "BYTES":
        each = element_count(shape[1:])
        texts = read_strings("", data, count * each, False)
        others = read_strings("", some[2], len(rows) * each, False)
        for i, row in enumerate(rows):
            texts[row * each : (row + 1) * each] = others[i * each : (i + 1) * each]
        return datatype, shape, write_strings("", texts)
    if len(data) != 0 and len(some[2]) * count != len(data) * len(rows):
        raise failed("the second model of a cascade answered rows of another size than the first one")
    table = np.frombuffer(bytearray(data), "u1").reshape(count, -1)
    table[rows] = np.frombuffer(some[2], "u1").reshape(len(rows), -1)
    return datatype, shape, table.tobytes()


def _largest(scores, count):
    """The place of the largest score of each row, the first of equals, and that score."""
    places, confidence = np.zeros(count, "i8"), np.full(count, np.nan)
    if scores is None or count == 0:
        return places, confidence
    values = _floats(scores).reshape(count, -1)
    if values.shape[1] == 0:
        return places, confidence
    # Nothing is larger than a NaN, and a NaN is larger than nothing: one at the first place stays the largest.
    places = np.argmax(np.where(np.isnan(values), -np.inf, values), axis=1)
    places[np.isnan(values[:, 0])] = 0
    numbers = np.isfinite(values).all(axis=1)
    confidence[numbers] = values[np.arange(count), places][numbers]
    return places, confidence


def _floats(scores):
    datatype, _, data = scores
    if datatype == "BF16":
        return (np.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4").astype("f8")
    if datatype not in ("FP16", "FP32", "FP64"):
        raise failed("the scores are %s, expected floats" % datatype)
    return np.frombuffer(data, DTYPES[datatype]).astype("f8")


def _made_labels(spec, places, row):
    """Labels for a model that has none: the places of the largest scores."""
    shape = (len(places), *row)
    if spec.datatype == "BYTES":
        return spec.datatype, shape, write_strings(spec.name, [str(place) for place in places])
    return spec.datatype, shape, places.astype(DTYPES[spec.datatype]).tobytes()
