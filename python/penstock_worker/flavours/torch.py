"""TorchScript archives, and programs of `torch.export` (`.pt2`)."""

from ..errors import failed
from ..opened import Opened, spec_of_array
from ..outputs import as_array, named_outputs
from ..tensors import Spec

_BY_DTYPE = {
    "bool": "BOOL", "int8": "INT8", "int16": "INT16", "int32": "INT32", "int64": "INT64", "uint8": "UINT8", "float16": "FP16",
    "float32": "FP32", "float64": "FP64", "bfloat16": "BF16",
}  # fmt: skip


def open_model(source, flavour="torchscript"):
    import torch

    torch.set_num_threads(source.threads)
    try:
        torch.set_num_interop_threads(1)
    except RuntimeError:
        pass  # operations have run before: it can be set only once
    device = "cuda" if torch.cuda.is_available() else "cpu"
    opened = _exported(torch, source, device) if flavour == "torch-export" else _scripted(torch, source, device)
    for spec in opened.inputs:
        if spec.datatype not in _BY_DTYPE.values():
            raise failed(
                "input '%s' has the datatype %s, which torch does not take: expected one of %s"
                % (spec.name, spec.datatype, ", ".join(_BY_DTYPE.values()))
            )
    return opened


def _tensor(torch, device, spec, array):
    """A tensor that shares the memory of the frame, if it stays on the processor."""
    if spec.datatype == "BF16":
        tensor = torch.from_numpy(array.view("i2")).view(torch.bfloat16)
    else:
        tensor = torch.from_numpy(array)
    return tensor if device == "cpu" else tensor.to(device)


def _arrays(value):
    """The outputs on the host: copying them waits for the device, so the time counts as the model's own."""
    named = named_outputs(tuple(value) if isinstance(value, list) else value)
    return {name: as_array(name, item) for name, item in named.items()}


def _scripted(torch, source, device):
    module = torch.jit.load(str(source.file), map_location=device).eval()
    names = [argument.name for argument in module.forward.schema.arguments[1:]] if hasattr(module.forward, "schema") else []
    specs, sampled = _declared(source, names)

    def run(values):
        with torch.inference_mode():
            return _arrays(module(*[_tensor(torch, device, spec, value) for spec, value in zip(specs, values)]))

    opened = Opened("tensors", specs, None, run)
    opened.sampled = sampled
    return opened


def _declared(source, names):
    """The inputs: approved or declared ones, or the one that the sample shows. TorchScript knows neither shapes nor datatypes."""
    if source.inputs is not None:
        return source.inputs, None
    if source.sample is None:
        raise failed(
            "a TorchScript file does not say what it takes: register it again with real rows (--sample rows.npy), or with each of its "
            "inputs (--input 'x FP32 [-1,30]')"
        )
    required = names or ["x"]
    if len(required) != 1:
        raise failed(
            "the model takes %d inputs (%s), and a sample shows one: register it again with each input (--input 'x FP32 [-1,30]')"
            % (len(required), ", ".join(required))
        )
    array = source.sample.array()
    if source.sample.content_type not in ("application/x-npy", "application/octet-stream") and array.dtype.kind == "f":
        array = array.astype("f4")  # text does not say the precision, and torch computes in FP32
    return [spec_of_array(required[0], array)], [array]


def _exported(torch, source, device):
    from torch.utils import _pytree

    program = torch.export.load(str(source.file))
    specs, smallest = _program_inputs(program)
    in_spec = program.call_spec.in_spec
    module = program.module()
    if device != "cpu":
        module = module.to(device)

    def run(values):
        tensors = [_tensor(torch, device, spec, value) for spec, value in zip(specs, values)]
        rows = len(values[0]) if values and specs[0].is_batched else None
        if rows is not None and 0 < rows < smallest:
            tensors = [_repeated(torch, tensor, smallest) if spec.is_batched else tensor for spec, tensor in zip(specs, tensors)]
        with torch.inference_mode():
            arguments, named = _pytree.tree_unflatten(tensors, in_spec)
            outputs = _arrays(module(*arguments, **named))
        if rows is not None and 0 < rows < smallest:
            return {name: array[:rows] for name, array in outputs.items()}
        return outputs

    opened = Opened("tensors", specs, None, run)
    if smallest > 1:
        opened.notes.append("the program takes at least %d rows: fewer are filled up with copies of the last row" % smallest)
    return opened


def _repeated(torch, tensor, rows):
    return torch.cat([tensor, tensor[-1:].expand(rows - tensor.shape[0], *tensor.shape[1:])])


def _program_inputs(program):
    """The inputs of a program with its own shapes, and the smallest number of rows."""
    values = {node.name: node.meta.get("val") for node in program.graph.nodes if node.op == "placeholder"}
    specs, smallest = [], 1
    for name in program.graph_signature.user_inputs:
        value = values.get(name)
        if not hasattr(value, "shape"):
            raise failed("input '%s' of the program is not a tensor: expected tensors only" % name)
        shape = [size if isinstance(size, int) else -1 for size in value.shape]
        if shape and shape[0] == -1:
            smallest = max(smallest, _lowest(program, value.shape[0]))
        dtype = str(value.dtype).replace("torch.", "")
        if dtype not in _BY_DTYPE:
            raise failed("input '%s' has the dtype %s, which cannot be served" % (name, dtype))
        specs.append(Spec(str(name), _BY_DTYPE[dtype], shape))
    return specs, smallest


def _lowest(program, size):
    """The smallest size that a dimension may have."""
    bounds = program.range_constraints.get(getattr(getattr(size, "node", None), "expr", None))
    try:
        return int(bounds.lower)
    except (AttributeError, TypeError, ValueError):
        return 1
