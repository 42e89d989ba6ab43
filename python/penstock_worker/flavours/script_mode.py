"""SageMaker's script mode: `model_fn`, and either `transform_fn` or `input_fn`, `predict_fn`, `output_fn`, of which any may be missing.

The contract is that of the inference toolkit of SageMaker's containers. Each function may take one argument more, the context.
"""

import inspect
import os
import sys

from ..errors import PlatformError, failed, invalid
from ..invocation import Reply
from ..opened import Opened, spec_of_array
from ..tensors import np
from .code import import_file

_PARTS = ("input_fn", "predict_fn", "output_fn")
_JSON, _CSV = "application/json", "text/csv"
_STAND_INS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "stand_ins")


def open_model(source):
    if _STAND_INS not in sys.path:
        sys.path.append(_STAND_INS)  # last, so that an installed package comes first
    # Names of the archive that was registered, wherever the script lay before.
    os.environ["SM_MODEL_DIR"] = str(source.folder)
    os.environ["SAGEMAKER_PROGRAM"] = source.file.name
    os.environ["SAGEMAKER_SUBMIT_DIRECTORY"] = str(source.file.parent)
    script = _Script(import_file(source), str(source.folder))
    written = script.written
    if "transform_fn" in written and any(name in written for name in _PARTS):
        raise failed("Cannot use transform_fn implementation in conjunction with input_fn, predict_fn, and/or output_fn")
    model = script.load()
    takes_bodies = "transform_fn" in written or "input_fn" in written or "output_fn" in written
    if not takes_bodies and np is not None and (source.inputs or source.sample is not None):
        return _of_tensors(script, model, source)
    return Opened("bytes", outputs=(), invoke=lambda call: _transformed(script, model, call))


class _Context:
    """The argument that functions may take besides: the folder of the model and the headers of the request."""

    def __init__(self, folder, headers=None):
        self.system_properties = {"model_dir": folder, "gpu_id": None, "server_name": "penstock"}
        self._headers = headers or {}
        self.manifest = {}

    def get_request_header(self, index, key):
        return self._headers.get(key.lower())

    def get_all_request_header(self, index):
        return dict(self._headers)


class _Script:
    """The functions of the script, and the defaults for those that are missing."""

    def __init__(self, module, folder):
        self._module = module
        self.folder = folder
        names = ("model_fn", "transform_fn", "pre_model_fn", "model_warmup_fn", *_PARTS)
        self.written = {name for name in names if callable(getattr(module, name, None))}

    def call(self, name, *arguments, headers=None):
        """Calls a function that the script has, with the context if it takes one argument more."""
        function = getattr(self._module, name)
        parameters = inspect.signature(function).parameters.values()
        positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        if len(positional) > len(arguments):
            return function(*arguments, _Context(self.folder, headers))
        return function(*arguments)

    def load(self):
        """The model that `model_fn` returns, or the one TorchScript file of the folder."""
        if "pre_model_fn" in self.written:
            self.call("pre_model_fn", self.folder)
        model = self.call("model_fn", self.folder) if "model_fn" in self.written else _default_model(self.folder)
        if "model_warmup_fn" in self.written:
            self.call("model_warmup_fn", self.folder, model)
        return model


def _default_model(folder):
    files = sorted(name for name in os.listdir(folder) if name.endswith((".pt", ".pth")))
    if len(files) != 1:
        raise failed("the script has no model_fn, and the folder has %d .pt and .pth files: write model_fn(model_dir)" % len(files))
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.jit.load(os.path.join(folder, files[0]), map_location=device).eval()


def _is_text(content_type):
    return content_type.startswith("text/") or content_type == _JSON


def _transformed(script, model, call):
    """The reply to one request."""
    content_type = call.content_type.partition(";")[0].strip().lower()
    accept = call.accept.partition(";")[0].strip()
    if accept in ("", "*/*"):
        accept = os.environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", _JSON)
    body = call.text() if _is_text(content_type) else call.body
    headers = call.request.headers
    if "transform_fn" in script.written:
        return _reply(script.call("transform_fn", model, body, content_type, accept, headers=headers), accept)
    if "input_fn" in script.written:
        data = script.call("input_fn", body, content_type, headers=headers)
    else:
        data = _default_input(body, content_type, model)
    prediction = _predicted(script, data, model, headers)
    if "output_fn" in script.written:
        return _reply(script.call("output_fn", prediction, accept, headers=headers), accept)
    return _reply(_default_output(prediction, accept), accept)


def _predicted(script, data, model, headers=None):
    if "predict_fn" in script.written:
        return script.call("predict_fn", data, model, headers=headers)
    if _is_torch(model):
        import torch

        with torch.no_grad():
            return model(data)
    return model.predict(data)


def _is_torch(model):
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(model, torch.nn.Module)


def _default_input(body, content_type, model):
    """The decoded body; texts become FP32, as SageMaker's containers have it."""
    if np is None:
        raise failed("the script has no input_fn, and the environment has no numpy to decode requests. Add numpy to requirements.txt")
    from ..stand_ins.sagemaker_inference import decoder, errors

    try:
        array = decoder.decode(body, content_type)
        if content_type == _CSV:
            array = _table(array, body)
        if _is_text(content_type):
            array = array.astype(np.float32)
    except errors.UnsupportedFormatError as error:
        raise PlatformError("invalid_request", str(error), status=415) from None
    except (ValueError, TypeError) as error:
        raise invalid("the body is not %s: %s" % (content_type, error)) from None
    return _for_model(array, model)


def _table(array, text):
    """Rows and columns of CSV: the toolkit's decoder drops the dimension of a single row, and of a single column."""
    if array.ndim > 1:
        return array
    first = next((line for line in text.splitlines() if line.strip()), "")
    return array.reshape(-1, first.count(",") + 1)


def _for_model(array, model):
    if not _is_torch(model):
        return array
    import torch

    return torch.from_numpy(array)


def _default_output(prediction, accept):
    from ..stand_ins.sagemaker_inference import encoder, errors

    if hasattr(prediction, "detach"):
        prediction = prediction.detach().cpu().numpy()
    try:
        return encoder.encode(prediction, accept)
    except errors.UnsupportedFormatError as error:
        raise PlatformError("invalid_request", str(error), status=406) from None


def _reply(result, accept):
    """The reply of what the last function returned: a body, a pair with its content type, or a response object."""
    content_type = accept
    if isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], str):
        result, content_type = result
    elif hasattr(result, "get_data") and hasattr(result, "mimetype"):
        result, content_type = result.get_data(), result.mimetype
    if isinstance(result, str):
        return Reply(result.encode("utf-8", "replace"), content_type)
    if isinstance(result, (bytes, bytearray, memoryview)):
        return Reply(bytes(result), content_type)
    raise failed("the script returned a %s: expected str, bytes, or a pair of one and the content type" % type(result).__name__)


def _of_tensors(script, model, source):
    """Neither bodies nor replies are the script's own, so rows can be batched."""
    sampled = None
    if source.inputs:
        specs = source.inputs
    else:
        array = source.sample.array()
        if _is_text(source.sample.content_type):
            array = array.astype(np.float32)
        specs, sampled = [spec_of_array("x", array)], [array]
    opened = Opened("tensors", specs, None, lambda values: _one(_predicted(script, _for_model(values[0], model), model)))
    opened.sampled = sampled
    opened.notes.append("the script leaves decoding and encoding to its container, so rows of several requests form a batch")
    return opened


def _one(prediction):
    return {"output": prediction} if not isinstance(prediction, (dict, tuple)) else prediction
