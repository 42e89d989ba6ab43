"""KServe's Python server with the models of the suite, each a custom model as its documentation shows one.

    python serve.py ASSETS HTTP_PORT GRPC_PORT
"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import numpy as np
from kserve import InferOutput, InferResponse, Model, ModelServer
from kserve.errors import InvalidInput
from kserve.utils.utils import generate_uuid
from onnx_models import FIXTURES, OnnxModel, WrongRequest

assets, http_port, grpc_port = sys.argv[1:]


class OnnxPredictor(Model):
    def __init__(self, name, path):
        super().__init__(name)
        self._path = path
        self.load()

    def load(self):
        self._model = OnnxModel(self._path)
        self.ready = True
        return self.ready

    def get_input_types(self):
        return self._model.inputs

    def get_output_types(self):
        return self._model.outputs

    def predict(self, payload, headers=None):
        wanted = [output.name for output in payload.request_outputs or []]
        try:
            arrays = {each.name: self._array(each) for each in payload.inputs}
            answers = self._model.run(arrays, wanted)
        except (WrongRequest, ValueError, TypeError, OverflowError) as error:
            raise InvalidInput(str(error)) from error
        outputs = []
        for spec, array in answers:
            array = np.asarray(array)
            output = InferOutput(name=spec["name"], shape=list(array.shape), datatype=spec["datatype"])
            output.set_data_from_numpy(array, binary_data=payload.use_binary_outputs)
            outputs.append(output)
        return InferResponse(
            response_id=payload.id or generate_uuid(),
            model_name=self.name,
            infer_outputs=outputs,
            use_binary_outputs=payload.use_binary_outputs,
            requested_outputs=payload.request_outputs,
        )

    def _array(self, given):
        array = given.as_numpy()
        if given.datatype == "BYTES":
            texts = [each.decode() if isinstance(each, bytes) else str(each) for each in array.flatten()]
            return np.array(texts, dtype=np.object_).reshape(given.shape)
        return array


if __name__ == "__main__":
    models = [OnnxPredictor(name, os.path.join(assets, path)) for name, path in FIXTURES.items()]
    ModelServer(http_port=int(http_port), grpc_port=int(grpc_port), workers=1).start(models)
