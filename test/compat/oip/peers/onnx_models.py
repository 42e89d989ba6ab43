"""The models of the conformance suite, run by onnxruntime, for servers that want their models in Python."""

import onnxruntime

FIXTURES = {
    "test-affine": "conformance/test_affine.onnx",
    "test-dtypes": "conformance/test_dtypes.onnx",
    "test-typed": "conformance/test_typed.onnx",
    "test-slow-loop": "conformance/test_slow_loop.onnx",
    "spam-text": "catalogue/spam_text.onnx",
    "digits-mlp": "catalogue/digits_mlp.onnx",
}

_DATATYPES = {
    "tensor(float)": "FP32", "tensor(double)": "FP64", "tensor(float16)": "FP16", "tensor(bool)": "BOOL", "tensor(string)": "BYTES",
    **{f"tensor({sign}int{bits})": f"{sign.upper()}INT{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}  # fmt: skip


class WrongRequest(Exception):
    """The request does not fit the model."""


class OnnxModel:
    def __init__(self, path):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.inputs = [self._spec(each) for each in self._session.get_inputs()]
        self.outputs = [self._spec(each) for each in self._session.get_outputs()]

    @staticmethod
    def _spec(tensor):
        shape = [size if isinstance(size, int) else -1 for size in tensor.shape]
        return {"name": tensor.name, "datatype": _DATATYPES[tensor.type], "shape": shape}

    def run(self, arrays, wanted):
        """Arrays by name, after a look at what they claim to be, to (spec, array) of each wanted output."""
        expected = {spec["name"]: spec for spec in self.inputs}
        for name in arrays:
            if name not in expected:
                raise WrongRequest(f"unexpected input '{name}', expected {', '.join(expected)}")
        outputs = {spec["name"]: spec for spec in self.outputs}
        names = wanted or list(outputs)
        for name in names:
            if name not in outputs:
                raise WrongRequest(f"unexpected output '{name}', the model has {', '.join(outputs)}")
        try:
            answers = self._session.run(names, arrays)
        except Exception as error:  # onnxruntime has many kinds; most say that the input is wrong
            raise WrongRequest(str(error)) from error
        return [(outputs[name], answer) for name, answer in zip(names, answers)]
