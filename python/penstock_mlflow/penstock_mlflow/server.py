"""Calls of Penstock's HTTP API, with the standard library alone."""
import json
import os
import urllib.error
import urllib.parse
import urllib.request

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import (
    INTERNAL_ERROR,
    INVALID_PARAMETER_VALUE,
    PERMISSION_DENIED,
    RESOURCE_ALREADY_EXISTS,
    RESOURCE_DOES_NOT_EXIST,
    TEMPORARILY_UNAVAILABLE,
)

TIMEOUT_S = 600
ANSWER_BYTES_MAX = 256 * 1024**2
_CODES = {
    400: INVALID_PARAMETER_VALUE,
    401: PERMISSION_DENIED,
    403: PERMISSION_DENIED,
    404: RESOURCE_DOES_NOT_EXIST,
    409: RESOURCE_ALREADY_EXISTS,
    429: TEMPORARILY_UNAVAILABLE,
    503: TEMPORARILY_UNAVAILABLE,
}


class CallError(MlflowException):
    """A call that the server rejected. `status`: the HTTP status; 0 if the server did not answer."""

    def __init__(self, message, status):
        super().__init__(message, error_code=_CODES.get(status, INTERNAL_ERROR))
        self.status = status


class Server:
    """`target_uri`: `penstock:http://host:port`, or `penstock` for a server on this machine. The key `ID:SECRET` is in PENSTOCK_KEY."""

    def __init__(self, target_uri):
        url = target_uri.partition(":")[2].lstrip("/") if target_uri.startswith("penstock://") else target_uri.partition(":")[2]
        self.url = (url or os.environ.get("PENSTOCK_URL") or "http://127.0.0.1:8080").rstrip("/")
        if urllib.parse.urlsplit(self.url).scheme not in ("http", "https"):
            raise MlflowException.invalid_parameter_value(
                "the target '%s' names no server: expected penstock:http://host:port" % target_uri
            )
        self._key = os.environ.get("PENSTOCK_KEY")
        # A proxy of the environment would get the key, and models of this machine.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({})) if self._is_local() else urllib.request.build_opener()

    def call(self, method, path, query=None, body=None, data=None, length=None, content_type="application/octet-stream"):
        """The JSON answer; None if it has no body. `body` is sent as JSON, `data` (bytes or an open file of `length` bytes) as it is."""
        query = {name: value for name, value in (query or {}).items() if value is not None}
        url = self.url + "/api/v1" + path + ("?" + urllib.parse.urlencode(query) if query else "")
        headers = {"accept": "application/json"}
        if self._key:
            headers["authorization"] = "Bearer " + self._key
        if body is not None:
            data = json.dumps(body).encode()
            headers["content-type"] = "application/json"
        elif data is not None:
            headers["content-type"] = content_type
            headers["content-length"] = str(length)
        request = urllib.request.Request(url, data=data, headers=headers, method=method)
        try:
            with self._opener.open(request, timeout=TIMEOUT_S) as answer:
                text = answer.read(ANSWER_BYTES_MAX + 1)
        except urllib.error.HTTPError as error:
            raise CallError(_reason(error), error.code) from None
        except OSError as error:
            raise CallError("no answer from %s: %s. Is the server running (penstock up)?" % (self.url, error), 0) from None
        if len(text) > ANSWER_BYTES_MAX:
            raise CallError("the answer is larger than %d MiB: send fewer rows" % (ANSWER_BYTES_MAX // 1024**2), 0)
        return json.loads(text) if text else None

    def pages(self, path):
        """All items of a list."""
        cursor = None
        while True:
            page = self.call("GET", path, query={"cursor": cursor, "limit": 100})
            yield from page["items"]
            cursor = page.get("next")
            if cursor is None:
                return

    def _is_local(self):
        return urllib.parse.urlsplit(self.url).hostname in ("127.0.0.1", "localhost", "::1")


def segment(name):
    """A name as a part of a path."""
    return urllib.parse.quote(name, safe="")


def _reason(error):
    """What the server says, with its hint."""
    try:
        answer = json.loads(error.read(64 * 1024))
        return ". ".join(part for part in (answer["error"], answer.get("hint")) if part)
    except (ValueError, KeyError, TypeError):
        return "the server answered with status %d" % error.code
