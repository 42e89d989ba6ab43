"""What the operator sees: lines on stdout and stderr, tracebacks with the user's frames only, and each warning once."""

import os
import sys
import time
import traceback
import warnings

_OWN_FOLDER = os.path.dirname(os.path.abspath(__file__)) + os.sep
_TRACEBACKS_PER_MINUTE = 50
# A batch with a bad row fails again in its parts: the same traceback within this time is printed once.
_REPEAT_SECONDS = 10
_WARNINGS_MAX = 1000
# The control character "record separator", and the symbol for it.
_MARK, _VISIBLE_MARK = "\x1e", "\u241e"
_LIBRARY_FRAMES_MAX = 3
_SILENCED = "does not have valid feature names"


def write_line(text):
    """Prints to the operator. Never raises: the model may have closed the descriptor."""
    try:
        sys.stderr.write(text if text.endswith("\n") else text + "\n")
        sys.stderr.flush()
    except Exception:
        pass


class Marks:
    """Marks in the output which call printed it: the first line of a call begins with a mark, and so does the first line after it. A call
    that prints nothing writes none. `src/runtime/last-lines.ts` reads and removes the marks."""

    def __init__(self):
        self._call = 0
        self._streams = []

    def watch(self, *streams):
        """Streams that are missing or take no attribute are left as they are: their lines belong to no call."""
        for stream in streams:
            try:
                self._streams.append(_MarkedStream(self, stream))
            except AttributeError:
                pass

    @property
    def call(self):
        """The number of the call that is answered now; 0 between calls."""
        return self._call

    def begin(self, call):
        self._call = call

    def end(self):
        """Never raises: the model may have closed the descriptor."""
        self._call = 0
        for stream in self._streams:
            stream.end()


class _MarkedStream:
    def __init__(self, marks, stream):
        self._marks = marks
        self._write = stream.write
        self._marked = 0
        self._is_line_start = True
        stream.write = self.write  # also for loggers that hold the stream already

    def write(self, text):
        if not isinstance(text, str) or text == "":
            return self._write(text)
        # A text of a request that a model prints must not pass for a mark, which would show it as printed for another request.
        text = text.replace(_MARK, _VISIBLE_MARK)
        call = self._marks.call
        if self._is_line_start and call != self._marked:
            self._marked = call
            self._write("%s@%d%s%s" % (_MARK, call, _MARK, text))
            written = len(text)
        else:
            written = self._write(text)
        self._is_line_start = text.endswith("\n")
        return written

    def end(self):
        # For lines that libraries in C print later.
        if self._marked == 0 or not self._is_line_start:
            return
        self._marked = 0
        try:
            self._write("%s@0%s" % (_MARK, _MARK))
        except Exception:
            pass


MARKS = Marks()


def _is_own(filename):
    return filename.startswith(_OWN_FOLDER) or filename.startswith("<frozen")


def _is_library(filename):
    return "site-packages" in filename or "dist-packages" in filename


def _shorten(summary, seen):
    """Removes the frames of the worker, and of those of libraries all but the last ones, also from the causes."""
    if summary is None or id(summary) in seen:
        return
    seen.add(id(summary))
    frames = [frame for frame in summary.stack if not _is_own(frame.filename)]
    libraries = [frame for frame in frames if _is_library(frame.filename)]
    dropped = set(map(id, libraries[:-_LIBRARY_FRAMES_MAX]))
    summary.stack = traceback.StackSummary.from_list([frame for frame in frames if id(frame) not in dropped])
    _shorten(summary.__cause__, seen)
    _shorten(summary.__context__, seen)


def traceback_text(error):
    """The traceback of an exception with its causes, for the operator."""
    summary = traceback.TracebackException(type(error), error, error.__traceback__)
    _shorten(summary, set())
    return "".join(summary.format())


def last_lines(error, count=20):
    """The last lines of its traceback."""
    return [line[:1000] for line in traceback_text(error).rstrip().splitlines()[-count:]]


class Tracebacks:
    """Prints tracebacks, at most 50 a minute, and repetitions of the same once."""

    def __init__(self, now=time.monotonic):
        self._now = now
        self._minute = float("-inf")
        self._count = 0
        self._last = None
        self._last_at = float("-inf")

    def report(self, error):
        now = self._now()
        place = _place(error)
        if place == self._last and now - self._last_at < _REPEAT_SECONDS:
            return
        if now - self._minute >= 60:
            self._minute, self._count = now, 0
        self._count += 1
        if self._count > _TRACEBACKS_PER_MINUTE:
            return
        self._last, self._last_at = place, now
        write_line(traceback_text(error))
        if self._count == _TRACEBACKS_PER_MINUTE:
            write_line("further tracebacks of this minute are not printed")


def _place(error):
    """Where it was raised: file, line and class."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    where = None if frame is None else (frame.tb_frame.f_code.co_filename, frame.tb_lineno)
    return type(error), where


def print_warnings_once():
    """Each text of a warning is printed once. Column names are checked before `predict`, so scikit-learn need not warn about them."""
    seen = set()

    def show(message, category, filename, lineno, file=None, line=None):
        text = str(message)
        key = (category, text)
        if _SILENCED in text or key in seen or len(seen) >= _WARNINGS_MAX:
            return
        seen.add(key)
        write_line("%s: %s (%s:%d)" % (category.__name__, text, os.path.basename(filename), lineno))

    warnings.showwarning = show


def log_to_stderr():
    """Records of `logging` go to stderr unless the model has set it up otherwise."""
    logging = sys.modules.get("logging")
    if logging is not None and not logging.root.handlers:
        logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
