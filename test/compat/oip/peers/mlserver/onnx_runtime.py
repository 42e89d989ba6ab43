"""A custom runtime of MLServer, as its documentation shows one: MLServer decodes and encodes, this runs the model."""

import numpy as np
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.codecs.string import StringCodec
from mlserver.errors import InferenceError
from mlserver.types import InferenceRequest, InferenceResponse, MetadataTensor
from onnx_models import OnnxModel, WrongRequest


class OnnxRuntime(MLModel):
    async def load(self) -> bool:
        self._model = OnnxModel(self.settings.parameters.uri)
        self.inputs = [MetadataTensor(**spec) for spec in self._model.inputs]
        self.outputs = [MetadataTensor(**spec) for spec in self._model.outputs]
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        wanted = [output.name for output in payload.outputs or []]
        try:
            arrays = {each.name: self._array(each) for each in payload.inputs}
            answers = self._model.run(arrays, wanted)
        except (WrongRequest, ValueError, TypeError, OverflowError) as error:
            raise InferenceError(str(error)) from error
        outputs = [self._output(spec, array) for spec, array in answers]
        return InferenceResponse(id=payload.id, model_name=self.name, model_version=self.version, outputs=outputs)

    def _array(self, given):
        if given.datatype == "BYTES":
            return np.array(StringCodec.decode_input(given), dtype=np.object_).reshape(given.shape)
        return NumpyCodec.decode_input(given)

    def _output(self, spec, array):
        if spec["datatype"] != "BYTES":
            return NumpyCodec.encode_output(spec["name"], np.asarray(array))
        output = StringCodec.encode_output(spec["name"], [str(each) for each in array.flatten()])
        output.shape = list(array.shape)
        return output
