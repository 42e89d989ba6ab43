"""Writes two scikit-learn models of the digits into the folder that is its first argument. They have not seen the rows of its second."""
import os
import sys

import joblib
import numpy
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

folder, holdout = sys.argv[1:]
rows = numpy.loadtxt(holdout, delimiter=",", skiprows=1)[:, :64]
held_out = {tuple(row) for row in rows.astype(int).tolist()}
data, target = load_digits(return_X_y=True)
train = [i for i, row in enumerate(data.astype(int).tolist()) if tuple(row) not in held_out]
few = train[:250]
joblib.dump(LogisticRegression(max_iter=2000).fit(data[few], target[few]), os.path.join(folder, "logistic.joblib"))
joblib.dump(RandomForestClassifier(60, random_state=1).fit(data[train], target[train]), os.path.join(folder, "forest.joblib"))
