"""Writes `forest/`, `logistic/` (the function and a fitted model) and `rows.json` into the folder that is its argument."""

import json
import os
import shutil
import sys

import joblib
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

folder = sys.argv[1]
data = load_breast_cancer()
models = {
    "forest": RandomForestClassifier(100, random_state=1),
    "logistic": make_pipeline(StandardScaler(), LogisticRegression()),
}
here = os.path.dirname(os.path.abspath(__file__))
for name, model in models.items():
    path = os.path.join(folder, name)
    os.mkdir(path)
    shutil.copy(os.path.join(here, "function.py"), os.path.join(path, "model.py"))
    joblib.dump(model.fit(data.data, data.target), os.path.join(path, "model.joblib"))
with open(os.path.join(folder, "rows.json"), "w") as file:
    json.dump(data.data[:64].tolist(), file)
