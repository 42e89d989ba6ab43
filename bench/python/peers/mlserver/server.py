import os
import sys

from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse

folder = os.environ["MODEL_FOLDER"]
sys.path.insert(0, folder)
import model as function  # noqa: E402


class Model(MLModel):
    async def load(self):
        self.model = function.load(folder)
        return True

    async def predict(self, payload):
        output = function.predict(self.model, NumpyCodec.decode_input(payload.inputs[0]))
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("output", output)])
