"""Small functions that scripts import."""


def read_file(path, mode="r"):
    with open(path, mode) as file:
        return file.read()


def write_file(path, data, mode="w"):
    with open(path, mode) as file:
        file.write(data)


def parse_accept(accept):
    """The content types of an Accept header, without parameters."""
    return [part.partition(";")[0].strip() for part in (accept or "").split(",") if part.strip()]


def retrieve_content_type_header(request_property):
    """The content type among headers in any case."""
    return next((value for name, value in request_property.items() if name.lower() == "content-type"), None)
