"""Runs a file of checks, each a function `check_…` whose first line of documentation is its promise.

    python checks.py FILE NAME=VALUE ...

Each prints `ok PROMISE`, or `not ok PROMISE` and after a tab a JSON text of what went wrong. `given` holds the pairs.
"""

import asyncio
import importlib.util
import inspect
import json
import sys
import traceback

given = dict(pair.split("=", 1) for pair in sys.argv[2:])


def refused(call, *arguments, **named):
    """Makes a call that must be refused, and answers with its error."""
    try:
        answer = call(*arguments, **named)
    except Exception as error:
        return error
    raise AssertionError(f"the call was not refused: {answer}")


def same(actual, expected):
    assert actual == expected, f"expected {expected!r}, got {actual!r}"


def _run(path):
    # The file says `from checks import given`: that must be this module, not a second one.
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
        except Exception as error:  # whatever it is, the next check is run
            where = traceback.extract_tb(error.__traceback__)[-1]
            trouble = json.dumps(f"{type(error).__name__}: {error} ({where.filename}:{where.lineno})")
            print(f"not ok {promise}\t{trouble}", flush=True)
        else:
            print(f"ok {promise}", flush=True)


if __name__ == "__main__":
    _run(sys.argv[1])
