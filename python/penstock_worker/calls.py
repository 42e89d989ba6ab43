"""The worker's side of the link: executes calls one at a time, in the main thread, and answers each exactly once."""

import os
import time

from . import frames, logs
from .errors import LinkClosed, MalformedFrame, PlatformError, failed, invalid
from .facts import changed_library, environment_facts
from .flavours import open_model
from .invocation import Invocation
from .opened import Sample, Source
from .outputs import check_returned, encode_outputs
from .own_modules import OwnModules
from .tensors import Spec, ran_frame, read_inputs

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_STATUS_MESSAGE_MAX = 1000


class Calls:
    def __init__(self, connection, reader):
        self._connection = connection
        self._reader = reader
        self._tracebacks = logs.Tracebacks()
        self._model = None
        self._plans = None

    def answer(self, frame):
        """Raises `LinkClosed`, `MalformedFrame`, and `SystemExit` if the model exits in a run."""
        if frame.kind == frames.TAKEN:
            return  # of a reply that has ended
        if frame.kind == frames.RUN or frame.kind == frames.INVOKE:
            logs.MARKS.begin(frame.call)
        try:
            if frame.kind == frames.RUN:
                answer = self._run(frame)
            elif frame.kind == frames.INVOKE:
                answer = self._invoke(frame)
            else:
                message = frame.message
                answer = [frames.message_frame(frame.call, frames.ANSWER, self._control(message))]
                if message["method"] == "stop":
                    frames.send(self._connection, answer)
                    raise LinkClosed()
        except (LinkClosed, MalformedFrame, SystemExit):
            raise
        except BaseException as error:
            answer = [frames.message_frame(frame.call, frames.FAILED, self._failure(error).as_message())]
        finally:
            logs.MARKS.end()
        frames.send(self._connection, answer)

    def _failure(self, error):
        """What the caller sees. Prints the traceback unless the caller is at fault."""
        if isinstance(error, PlatformError):
            if error.code == "model_failed" and error.is_logged and not error.lines:
                logs.write_line(error.message)
            return error
        caused = caused_by_caller(error)
        if caused is not None:
            return caused
        self._tracebacks.report(error)
        if isinstance(error, MemoryError):
            return failed("the model failed: it ran out of memory")
        return failed("the model failed: %s; its log has the traceback" % type(error).__name__)

    def _run(self, frame):
        if self._plans is not None:
            return self._run_plan(frame, self._plans)
        started = time.perf_counter()
        if frame.plan != 0:
            raise PlatformError("wrong_state", "this worker has loaded no plans: expected plan 0, got %d" % frame.plan)
        model = self._model
        if model is None or model.run is None:
            raise PlatformError("internal", "a run must follow the load of a model that takes tensors")
        inputs = read_inputs(frame, model.inputs)
        rows = rows_of(model.inputs, inputs)
        decoded = time.perf_counter()
        values = model.run(inputs)
        ran = time.perf_counter()
        check_returned(values, model.outputs, rows)
        encoded = encode_outputs(model.outputs, values, rows)
        ended = time.perf_counter()
        timings = ((decoded - started) * 1e3, (ran - decoded) * 1e3, (ended - ran) * 1e3)
        return ran_frame(frame.call, encoded, timings)

    def _run_plan(self, frame, model):
        started = time.perf_counter()
        plan, inputs, rows = model.read(frame)
        decoded = time.perf_counter()
        tensors = model.run(frame, plan, inputs, rows)
        ran = time.perf_counter()
        return ran_frame(frame.call, tensors, ((decoded - started) * 1e3, (ran - decoded) * 1e3, 0.0))

    def _invoke(self, frame):
        model = self._model
        if model is None or model.invoke is None:
            raise PlatformError("internal", "an invocation must follow the load of a model that takes bytes")
        return Invocation(self._connection, self._reader, frame).answer(model)

    def _control(self, message):
        if not isinstance(message, dict):
            raise MalformedFrame("a call without a method")
        method = message.get("method")
        if method == "open":
            return self._open(message)
        if method == "load":
            return self._load(message)
        if method == "status":
            return {"rssBytes": resident_bytes(), "pid": os.getpid()}
        if method == "stop":
            return {}
        raise PlatformError("unsupported", "a Python worker does not know the call '%s'" % method)

    def _open(self, message):
        """Opens a model for the first time, and reads its signature."""
        os.environ.update(message.get("variables") or {})
        declared = message.get("inputs")
        source = Source(
            message["path"],
            message.get("entry") or "",
            sample=Sample.of(message.get("sample")),
            threads=int(message.get("threads") or 1),
            inputs=None if declared is None else [Spec.of(spec) for spec in declared],
        )
        self._model = self._plans = None
        model = self._model = opened(message["flavour"], source)
        return {
            "form": model.form,
            "inputs": [spec.as_message() for spec in model.inputs],
            "outputs": [spec.as_message() for spec in model.outputs or []],
            "facts": {**environment_facts(), **_named(model)},
            "notes": model.notes,
        }

    def _load(self, message):
        """Loads a model that was opened before, and checks that it still has the signature that was approved. With plans, further models
        are loaded with it."""
        started = time.perf_counter()
        threads = int(message.get("threads") or 1)
        approved, plans = message["python"], message.get("plans")
        self._model = self._plans = None
        if plans is None:
            self._model = loaded(message["path"], approved, threads)
        else:
            self._plans = self._loaded_plans([{"path": message["path"], "python": approved}, *plans["others"]], plans, threads)
        signature = {"inputs": approved["inputs"], "outputs": approved["outputs"]}
        return {"signature": signature, "loadMs": (time.perf_counter() - started) * 1e3}

    def _loaded_plans(self, sources, plans, threads):
        from .plans import PlanModel

        models = []
        for source in sources:
            modules = OwnModules(source["path"])
            with modules:
                models.append((loaded(source["path"], source["python"], threads), modules))
        return PlanModel(models, plans, self._tracebacks.report)


def loaded(path, approved, threads):
    """A model that was opened before. Raises `model_failed` if it differs from what was approved."""
    os.environ.update(approved.get("variables") or {})
    inputs, outputs = ([Spec.of(spec) for spec in approved[kind]] for kind in ("inputs", "outputs"))
    source = Source(path, approved.get("entry") or "", Sample.of(approved.get("sample")), threads, inputs, outputs)
    model = opened(approved["flavour"], source)
    expect_signature(model, approved.get("form"), inputs, outputs)
    for note in (*model.notes, changed_library(approved["flavour"], approved.get("libraries") or {})):
        if note is not None:
            logs.write_line("note: %s" % note)
    return model


def opened(flavour, source):
    """Opens the model. Whatever goes wrong becomes one plain sentence and the last lines."""
    try:
        return open_model(flavour, source)
    except PlatformError as error:
        if not error.lines and error.__cause__ is not None:
            error.lines = logs.last_lines(error.__cause__)
        raise
    except SystemExit as error:
        raise PlatformError("model_failed", "opening the model called sys.exit(%s)" % error.code, lines=logs.last_lines(error)) from None
    except BaseException as error:
        from .missing import advice

        reason = advice(error) if isinstance(error, ModuleNotFoundError) else "%s: %s" % (type(error).__name__, error)
        raise PlatformError("model_failed", "the model could not be opened: %s" % reason[:1000], lines=logs.last_lines(error)) from None
    finally:
        logs.log_to_stderr()


def expect_signature(model, form, inputs, outputs):
    """Raises `model_failed` if the model differs from what was approved: its environment may have changed."""
    if form is not None and model.form != form:
        raise failed("the model has the form %s, and %s was approved. Approve it again" % (model.form, form))
    for kind, approved, found in (("inputs", inputs, model.inputs), ("outputs", outputs, model.outputs)):
        if found is not None and [spec.as_message() for spec in found] != [spec.as_message() for spec in approved]:
            shown = ["; ".join(map(str, specs)) or "none" for specs in (found, approved)]
            raise failed("the model has the %s %s, and %s were approved. Approve it again" % (kind, *shown))
    if model.outputs is None:
        model.outputs = outputs


def rows_of(specs, values):
    """The rows of a run; None if the model takes none. Raises `invalid_request` if inputs differ."""
    rows = None
    for spec, value in zip(specs, values):
        if not spec.is_batched:
            continue
        count = len(value)
        if rows is None:
            rows = count
        elif count != rows:
            raise invalid("input '%s' has %d rows, and '%s' has %d: expected the same" % (spec.name, count, specs[0].name, rows))
    return rows


def caused_by_caller(error):
    """An exception whose attribute `status` is 400 to 499 is the caller's fault; its message goes to the caller."""
    status = getattr(error, "status", None)
    if not isinstance(status, int) or isinstance(status, bool) or not 400 <= status <= 499:
        return None
    return PlatformError("invalid_request", str(error)[:_STATUS_MESSAGE_MAX] or type(error).__name__, status=status)


def _named(model):
    named = dict(model.facts)
    if model.columns is not None:
        named["columns"] = model.columns
    if model.classes is not None:
        named["classes"] = model.classes
    return named


def resident_bytes():
    """Resident memory of this process; 0 if the system does not say."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * _PAGE_BYTES
    except OSError:
        return 0
