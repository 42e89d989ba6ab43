"""Records the calls of boto3 as JSON lines with the members of `RecordedCall` in coverage/recording.ts."""

import json
import os

import boto3


def _paths(shape, value, path=""):
    """Paths of the members that have a value; the keys of a map are not members."""
    if shape is None or value is None:
        return []
    own = [path] if path else []
    if shape.type_name == "structure" and isinstance(value, dict):
        named = [(name, member) for name, member in shape.members.items() if name in value]
        return own + [each for name, member in named for each in _paths(member, value[name], f"{path}.{name}".lstrip("."))]
    if shape.type_name == "list" and isinstance(value, (list, tuple)):
        return sorted({*own, *(each for element in value for each in _paths(shape.member, element, path))})
    return own


def record(events, folder):
    """Records each call of the clients that `events` belongs to."""
    client = f"boto3 {'.'.join(boto3.__version__.split('.')[:2])}"
    os.makedirs(folder, exist_ok=True)
    file = open(os.path.join(folder, f"{os.getpid()}.jsonl"), "a", buffering=1)

    def on_request(params, model, context, **_):
        context["recorded"] = _paths(model.input_shape, params)

    def on_response(http_response, parsed, model, context, **_):
        refusal = parsed["Error"]["Code"] if http_response.status_code >= 300 else None
        call = {
            "client": client,
            "service": model.service_model.service_name,
            "operation": model.name,
            "input": context.get("recorded", []),
            "output": _paths(model.output_shape, parsed) if refusal is None else [],
            "refusal": refusal,
        }
        file.write(json.dumps(call) + "\n")

    events.register("provide-client-params", on_request)
    events.register("after-call", on_response)
