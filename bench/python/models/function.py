"""The function that every server of the benchmark calls. A folder of it and `model.joblib` is a model of Penstock as it is."""

import os

import joblib


def load(folder):
    return joblib.load(os.path.join(folder, "model.joblib"))


def predict(model, x: "float64[n,30]") -> "float64[n,2]":
    return model.predict_proba(x)
