"""Writes a scikit-learn model as the archives that SageMaker's containers take, into the folder that is its argument, and what scikit-learn
itself answers; `serve.py` and `helper.py` as files, too. Runs in an environment with scikit-learn."""

import io
import json
import os
import sys
import tarfile

import joblib
import numpy
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

folder = sys.argv[1]
data, target = load_iris(return_X_y=True)
model = LogisticRegression(max_iter=1000).fit(data, target)
model_file = io.BytesIO()
joblib.dump(model, model_file)

LOAD = """
import os, joblib
def model_fn(model_dir):
    return joblib.load(os.path.join(model_dir, "model.joblib"))
"""
SCRIPTS = {
    "model": LOAD,
    "predict": LOAD + """
from helper import probabilities
def predict_fn(data, model):
    assert os.environ["SAGEMAKER_SUBMIT_DIRECTORY"] == os.path.dirname(__file__)
    return probabilities(model, data)
""",
    "bodies": LOAD + """
import io, numpy
from sagemaker_inference import content_types, errors
def input_fn(data, content_type):
    if content_type != content_types.CSV:
        raise errors.UnsupportedFormatError(content_type)
    return numpy.loadtxt(io.StringIO(data), delimiter=",", ndmin=2)
def output_fn(prediction, accept):
    return "".join("class %d;" % label for label in prediction), "text/plain"
""",
    "transform": LOAD + """
import json
from sagemaker_inference import encoder
def transform_fn(model, data, content_type, accept):
    assert content_type == "application/json" and isinstance(data, str)
    rows = json.loads(data)[os.environ["ROWS"]]
    return encoder.encode(model.predict_proba(rows), accept), accept
""",
}


def archive(name, files):
    with tarfile.open(os.path.join(folder, name + ".tar.gz"), "w:gz") as tar:
        for path, content in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


MODEL = {"model.joblib": model_file.getvalue()}
archive("joblib", MODEL)
for name, script in SCRIPTS.items():
    # The SDK's classes upload the scripts of one of them apart from the model, under a name of their own.
    archive(name, MODEL if name == "predict" else {**MODEL, "code/inference.py": script.encode()})
HELPER = b"def probabilities(model, data):\n    return model.predict_proba(data)\n"
archive("scripts", {"serve.py": SCRIPTS["predict"].encode(), "helper.py": HELPER})
for name, content in (("serve.py", SCRIPTS["predict"].encode()), ("helper.py", HELPER)):
    with open(os.path.join(folder, name), "wb") as file:
        file.write(content)

rows = [data[0].tolist(), data[77].tolist(), data[149].tolist()]
single = numpy.float32(rows)  # what the containers make of text, unless the script decodes it
answers = {
    "rows": rows,
    "labels": model.predict(rows).tolist(),
    "probabilities": model.predict_proba(rows).tolist(),
    "single_labels": model.predict(single).tolist(),
    "single_probabilities": model.predict_proba(single).tolist(),
}
with open(os.path.join(folder, "answers.json"), "w") as file:
    json.dump(answers, file)
