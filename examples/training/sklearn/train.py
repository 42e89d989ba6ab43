"""Trains a classifier of handwritten digits and writes it as ONNX.

It follows the contract of SageMaker's training containers: data lies in /opt/ml/input/data/CHANNEL, hyperparameters
arrive as arguments, and what is in /opt/ml/model at the end is the model. So it runs unchanged there, too.
"""

import argparse
import glob
import os

import numpy as np
import pandas as pd
from skl2onnx import to_onnx
from sklearn.ensemble import ExtraTreesClassifier

parser = argparse.ArgumentParser()
parser.add_argument("--trees", type=int, default=100)
parser.add_argument("--max-depth", type=int, default=10)
parser.add_argument("--train", default=os.environ.get("SM_CHANNEL_TRAIN", "/opt/ml/input/data/train"))
parser.add_argument("--model-dir", default=os.environ.get("SM_MODEL_DIR", "/opt/ml/model"))
arguments, _ = parser.parse_known_args()

rows = pd.concat(pd.read_csv(path) for path in sorted(glob.glob(os.path.join(arguments.train, "*.csv"))))
pixels = rows.drop(columns="label").to_numpy(np.float32)
labels = rows["label"].to_numpy(np.int64)
held_out = np.arange(len(rows)) % 3 == 0
print(f"{(~held_out).sum()} rows to train, {held_out.sum()} to validate", flush=True)

model = ExtraTreesClassifier(max_depth=arguments.max_depth, warm_start=True, random_state=7)
for trees in range(arguments.trees // 5, arguments.trees + 1, arguments.trees // 5):
    model.n_estimators = trees
    model.fit(pixels[~held_out], labels[~held_out])
    accuracy = model.score(pixels[held_out], labels[held_out])
    print(f"trees={trees} validation-accuracy={accuracy:.4f}", flush=True)

onnx = to_onnx(model, pixels[:1], options={"zipmap": False})
with open(os.path.join(arguments.model_dir, "model.onnx"), "wb") as file:
    file.write(onnx.SerializeToString())
