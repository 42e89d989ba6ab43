"""Errors that are sent to the server: a code of the server's `ErrorCode` and one plain sentence."""


class PlatformError(Exception):
    """`code`: of the server's list of codes. `status`: an HTTP status that the model chose, otherwise None.
    `lines`: for the operator, the end of a traceback or of the output. `is_logged`: false if the operator need not read it."""

    def __init__(self, code, message, status=None, lines=None, is_logged=True):
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.lines = lines or []
        self.is_logged = is_logged

    def as_message(self):
        """The error as the text of a `failed` frame."""
        wire = {"code": self.code, "message": self.message}
        if self.status is not None:
            wire["status"] = self.status
        if self.lines:
            wire["lines"] = self.lines
        return wire


def invalid(message):
    """The caller is at fault."""
    return PlatformError("invalid_request", message)


def failed(message):
    """The model is at fault."""
    return PlatformError("model_failed", message)


class LinkClosed(Exception):
    """The server closed the connection: the worker ends."""


class MalformedFrame(Exception):
    """The server sent bytes that are not a frame: the connection is unusable, and the worker ends."""
