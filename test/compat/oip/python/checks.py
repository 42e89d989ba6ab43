"""Runs a file of checks: functions `check_…`, with the promise in the first line of their docstring.

    python checks.py FILE NAME=VALUE ...

Each prints `ok PROMISE`, or `not ok PROMISE`, a tab, and the failure as a JSON string. `given` holds the pairs.
"""

import asyncio
import importlib.util
import inspect
import json
import sys
import traceback

given = dict(pair.split("=", 1) for pair in sys.argv[2:])


def rejected(call, *arguments, **named):
    """Makes a call that must be rejected, and returns the error."""
    try:
        answer = call(*arguments, **named)
    except Exception as error:
        return error
    raise AssertionError(f"the call was not rejected: {answer}")


def same(actual, expected):
    assert actual == expected, f"expected {expected!r}, got {actual!r}"


def _run(path):
    # The file imports `checks`, which must be this module and not a second instance.
    sys.modules["checks"] = sys.modules["__main__"]
    spec = importlib.util.spec_from_file_location("subject", path)
    subject = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(subject)
    for name, function in vars(subject).items():
        if not name.startswith("check_"):
            continue
        promise = inspect.getdoc(function).splitlines()[0].rstrip(".")
        try:
            outcome = function()
            if inspect.iscoroutine(outcome):
                asyncio.run(outcome)
        except Exception as error:  # any error: the next check still runs
            where = traceback.extract_tb(error.__traceback__)[-1]
            trouble = json.dumps(f"{type(error).__name__}: {error} ({where.filename}:{where.lineno})")
            print(f"not ok {promise}\t{trouble}", flush=True)
        else:
            print(f"ok {promise}", flush=True)


if __name__ == "__main__":
    _run(sys.argv[1])
