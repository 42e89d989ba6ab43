"""Runs a file of checks against a Penstock and says what became of each, a line a check.

    python checks.py FILE [NAME=VALUE ...]

FILE is a module whose checks bear the decorator `@check("what is promised")`. They run in the order in which they
stand. Each prints `ok NAME`, or `not ok NAME` and a JSON text of what went wrong after a tab. `given` holds the
NAME=VALUE pairs. Clients find the server and their key where AWS's tools look for them: in the environment.
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
    """Registers a check under the sentence it promises."""

    def register(function):
        _checks.append((promise, function))
        return function

    return register


def client(service, **config):
    """A client that asks once: what would be tried again is seen the first time. `retries` and others override."""
    return boto3.client(service, config=Config(**{"retries": {"total_max_attempts": 1}, **config}))


class Refusal:
    """What a call was refused with."""

    def __init__(self, response):
        self.code = response["Error"]["Code"]
        self.message = response["Error"]["Message"]
        self.status = response["ResponseMetadata"]["HTTPStatusCode"]
        self.headers = response["ResponseMetadata"]["HTTPHeaders"]
        self.response = response

    def __repr__(self):
        return f"{self.status} {self.code}: {self.message}"


def refused(call, **arguments):
    """Makes a call that must be refused, and answers with what."""
    try:
        answer = call(**arguments)
    except ClientError as error:
        return Refusal(error.response)
    raise AssertionError(f"the call was not refused: {answer}")


def told(name):
    """What CloudTrail has under an event's name, the oldest first: the resource and the service."""
    wish = [{"AttributeKey": "EventName", "AttributeValue": name}]
    events = client("cloudtrail").lookup_events(LookupAttributes=wish)["Events"]
    done = [event for event in events if "errorCode" not in json.loads(event["CloudTrailEvent"])]
    return [(event["Resources"][0]["ResourceName"], event["EventSource"].split(".")[0]) for event in reversed(done)]


def same(actual, expected):
    assert actual == expected, f"expected {expected!r}, got {actual!r}"


def holds(part, whole):
    assert part in whole, f"expected {part!r} in {whole!r}"


def _run(path):
    # The file says `from checks import check`: that must be this module, not a second one.
    sys.modules["checks"] = sys.modules["__main__"]
    spec = importlib.util.spec_from_file_location("subject", path)
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    for promise, function in _checks:
        try:
            function()
        except Exception as error:  # whatever it is, the next check is run
            where = traceback.extract_tb(error.__traceback__)[-1]
            print(f"not ok {promise}\t{json.dumps(f'{type(error).__name__}: {error} ({where.filename}:{where.lineno})')}", flush=True)
        else:
            print(f"ok {promise}", flush=True)


if __name__ == "__main__":
    _run(sys.argv[1])
