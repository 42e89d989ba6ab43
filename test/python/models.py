"""Writes the models of models.test.ts into the folder that is its argument, with what scikit-learn itself answers."""
import json
import os
import pickle
import sys
import time

import joblib
import numpy
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier

folder = sys.argv[1]
data = load_breast_cancer(as_frame=True)
forest = RandomForestClassifier(25, random_state=1).fit(data.data, data.target)
joblib.dump(forest, os.path.join(folder, "forest.joblib"))
rows = data.data.head(6)
rows.to_csv(os.path.join(folder, "rows.csv"), index=False)
answers = {
    "rows": rows.to_numpy().tolist(),
    "labels": forest.predict(rows).tolist(),
    "probabilities": forest.predict_proba(rows).tolist(),
}
with open(os.path.join(folder, "answers.json"), "w") as file:
    json.dump(answers, file)


class Marks:
    """Writes a file when it is unpickled, and is not a model."""

    def __reduce__(self):
        return os.system, ("touch %s" % os.path.join(folder, "marker"),)


with open(os.path.join(folder, "marks.pkl"), "wb") as file:
    pickle.dump(Marks(), file)


class Sleeps:
    """Never ends being unpickled: a worker that opens it is seen."""

    def __reduce__(self):
        return time.sleep, (600,)


with open(os.path.join(folder, "sleeps.pkl"), "wb") as file:
    pickle.dump(Sleeps(), file)
