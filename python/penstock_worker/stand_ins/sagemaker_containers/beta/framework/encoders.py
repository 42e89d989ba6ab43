"""Bodies as arrays, and arrays as bodies."""

from sagemaker_inference.decoder import _csv_to_numpy as csv_to_numpy
from sagemaker_inference.decoder import _json_to_numpy as json_to_numpy
from sagemaker_inference.decoder import _npy_to_numpy as npy_to_numpy
from sagemaker_inference.decoder import decode
from sagemaker_inference.encoder import _array_to_csv as array_to_csv
from sagemaker_inference.encoder import _array_to_json as array_to_json
from sagemaker_inference.encoder import _array_to_npy as array_to_npy
from sagemaker_inference.encoder import encode

__all__ = [
    "array_to_csv", "array_to_json", "array_to_npy", "csv_to_numpy", "decode", "encode", "json_to_numpy", "npy_to_numpy",
]  # fmt: skip
