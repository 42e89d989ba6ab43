"""LightGBM and CatBoost."""

import unittest

import catboost
import joblib
import lightgbm
import numpy as np
import pandas
from sklearn import datasets

from library_tests.case import LibraryCase

QUIET = {"verbose": 0, "allow_writing_files": False, "iterations": 8, "thread_count": 1}


class Lightgbm(LibraryCase):
    def test_boosters_of_three_objectives(self):
        cancer, wine, diabetes = (
            load(return_X_y=True) for load in (datasets.load_breast_cancer, datasets.load_wine, datasets.load_diabetes)
        )
        for kind, (x, y) in ((lightgbm.LGBMClassifier, cancer), (lightgbm.LGBMClassifier, wine), (lightgbm.LGBMRegressor, diabetes)):
            model = kind(n_estimators=8, verbose=-1, n_jobs=1).fit(x, y)
            path = self.folder / "model.txt"
            model.booster_.save_model(path)
            opened = self.served(path, "lightgbm")
            self.assertEqual(self.specs(opened, "inputs"), [("x", "FP64", [-1, x.shape[1]])])
            result = self.worker.run(x[:50])
            if kind is lightgbm.LGBMRegressor:
                self.assertEqual(self.specs(opened, "outputs"), [("value", "FP64", [-1])])
                self.same(result["value"], model.predict(x[:50]))
            else:
                self.same(result["label"], model.predict(x[:50]))
                self.same(result["probabilities"], model.predict_proba(x[:50]))

    def test_a_classifier_from_joblib_has_the_same_outputs(self):
        x, y = datasets.load_wine(return_X_y=True)
        model = lightgbm.LGBMClassifier(n_estimators=8, verbose=-1, n_jobs=1).fit(x, np.array(["a", "b", "c"])[y])
        joblib.dump(model, self.folder / "model.joblib")
        opened = self.served(self.folder / "model.joblib", "sklearn")
        self.assertEqual(self.specs(opened, "outputs"), [("label", "BYTES", [-1]), ("probabilities", "FP64", [-1, 3])])
        result = self.worker.run(x[:20])
        self.same(result["label"], model.predict(x[:20]))
        self.same(result["probabilities"], model.predict_proba(x[:20]))


class Catboost(LibraryCase):
    def test_a_classifier_of_numbers_and_one_of_texts(self):
        x, y = datasets.load_wine(return_X_y=True)
        for labels, datatype in ((y, "INT64"), (np.array(["a", "b", "c"])[y], "BYTES")):
            model = catboost.CatBoostClassifier(**QUIET).fit(x, labels)
            model.save_model(str(self.folder / "model.cbm"))
            opened = self.served(self.folder, "catboost", "model.cbm")
            self.assertEqual(self.specs(opened, "outputs"), [("label", datatype, [-1]), ("probabilities", "FP64", [-1, 3])])
            result = self.worker.run(x[:20])
            self.same(result["label"], model.predict(x[:20]).reshape(-1))
            self.same(result["probabilities"], model.predict_proba(x[:20]))

    def test_a_regressor_with_a_categorical_column(self):
        frame = pandas.DataFrame({"size": [1.0, 2, 3, 4] * 5, "city": ["Ulm", "Bern", "Ulm", "Graz"] * 5})
        for loss in ("RMSE", "Poisson"):
            model = catboost.CatBoostRegressor(cat_features=["city"], loss_function=loss, **QUIET).fit(frame, [1.0, 2, 3, 4] * 5)
            model.save_model(str(self.folder / "cities.cbm"))
            opened = self.served(self.folder / "cities.cbm", "catboost")
            self.assertEqual(self.specs(opened, "inputs"), [("size", "FP64", [-1]), ("city", "BYTES", [-1])])
            result = self.worker.run(frame["size"].to_numpy()[:6], frame["city"].tolist()[:6])
            self.same(result["value"], model.predict(frame[:6]))


if __name__ == "__main__":
    unittest.main()
