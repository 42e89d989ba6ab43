"""Errors of the toolkit. `status`: what the caller of the endpoint gets."""


class BaseInferenceToolkitError(Exception):
    def __init__(self, status_code, message, phrase):
        self.status_code = status_code
        self.status = status_code
        self.message = message
        self.phrase = phrase
        super().__init__(message)


class GenericInferenceToolkitError(BaseInferenceToolkitError):
    def __init__(self, status_code, message=None, phrase=None):
        message = message or "Invalid Request"
        super().__init__(status_code, message, phrase or message)


class UnsupportedFormatError(Exception):
    status = 415

    def __init__(self, content_type, **_):
        self.message = "Content type %s is not supported by this framework." % (content_type or "(none)")
        super().__init__(self.message)
