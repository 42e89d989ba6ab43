"""Runs a file of checks against a Penstock server and prints one line for each check.

    python checks.py FILE [NAME=VALUE ...]

FILE is a module whose checks have the decorator `@check("promise")`. They run in the order of the file. Each prints
`ok NAME`, or `not ok NAME`, a tab, and the error as a JSON text. `given` holds the NAME=VALUE pairs. Clients read the
server's URL and their key from the environment, as AWS's tools do.
"""

import importlib.util
import json
import os
import sys
import traceback

import boto3
import recording
from botocore.config import Config
from botocore.exceptions import ClientError

_checks = []
given = dict(pair.split("=", 1) for pair in sys.argv[2:])

if "RECORD_AWS_CALLS" in os.environ:
    boto3.setup_default_session()
    recording.record(boto3.DEFAULT_SESSION.events, os.environ["RECORD_AWS_CALLS"])


def check(promise):
    """Registers a check under the sentence that it promises."""

    def register(function):
        _checks.append((promise, function))
        return function

    return register


def client(service, **config):
    """A client without retries, so checks see the first response. `config` overrides this."""
    return boto3.client(service, config=Config(**{"retries": {"total_max_attempts": 1}, **config}))


class Rejection:
    """The error that a call was rejected with."""

    def __init__(self, response):
        self.code = response["Error"]["Code"]
        self.message = response["Error"]["Message"]
        self.status = response["ResponseMetadata"]["HTTPStatusCode"]
        self.headers = response["ResponseMetadata"]["HTTPHeaders"]
        self.response = response

    def __repr__(self):
        return f"{self.status} {self.code}: {self.message}"


def rejected(call, **arguments):
    """Makes a call that must be rejected, and returns the error."""
    try:
        answer = call(**arguments)
    except ClientError as error:
        return Rejection(error.response)
    raise AssertionError(f"the call was not rejected: {answer}")


def trail_events(name):
    """The successful events of a name in CloudTrail, oldest first, as pairs of resource and service."""
    by_name = [{"AttributeKey": "EventName", "AttributeValue": name}]
    events = client("cloudtrail").lookup_events(LookupAttributes=by_name)["Events"]
    successful = [event for event in events if "errorCode" not in json.loads(event["CloudTrailEvent"])]
    return [(event["Resources"][0]["ResourceName"], event["EventSource"].split(".")[0]) for event in reversed(successful)]


def same(actual, expected):
    assert actual == expected, f"expected {expected!r}, got {actual!r}"


def holds(part, whole):
    assert part in whole, f"expected {part!r} in {whole!r}"


def _run(path):
    # The file imports `checks`, which must be this module and not a second instance.
    sys.modules["checks"] = sys.modules["__main__"]
    spec = importlib.util.spec_from_file_location("subject", path)
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    for promise, function in _checks:
        try:
            function()
        except Exception as error:  # any error: the next check still runs
            where = traceback.extract_tb(error.__traceback__)[-1]
            print(f"not ok {promise}\t{json.dumps(f'{type(error).__name__}: {error} ({where.filename}:{where.lineno})')}", flush=True)
        else:
            print(f"ok {promise}", flush=True)


if __name__ == "__main__":
    _run(sys.argv[1])
