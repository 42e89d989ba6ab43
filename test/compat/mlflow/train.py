"""Trains a classifier on the iris measurements and saves it as MLflow does."""
import sys

import mlflow.sklearn
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

rows, classes = load_iris(return_X_y=True)
model = LogisticRegression(max_iter=500).fit(rows, classes)
mlflow.sklearn.save_model(model, sys.argv[1], serialization_format="cloudpickle")
