"""The response that `output_fn` returns in the examples of AWS."""


class Response:
    """A body and its content type: `mimetype`, else `accept`."""

    def __init__(self, response=None, accept=None, status=200, mimetype=None):
        self.response = response
        self.status_code = int(status)
        self.mimetype = mimetype or accept or "application/json"

    def get_data(self):
        body = self.response
        return body.encode("utf-8") if isinstance(body, str) else body or b""
