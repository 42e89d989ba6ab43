"""Models of real libraries answer through the worker as the library itself does, bit for bit."""

import base64
import os
import pickle
import subprocess
import sys
import tempfile
import unittest
import warnings
from pathlib import Path

from tests.link import CallFailed, Worker

try:
    import joblib
    import numpy as np
    import pandas
    import sklearn
    import xgboost
    from sklearn import compose, datasets, ensemble, feature_extraction, impute, linear_model, model_selection, pipeline, preprocessing, svm
except ImportError:
    sklearn = None


def setUpModule():
    if sklearn is None:
        raise unittest.SkipTest("the environment has no scikit-learn and XGBoost")
    warnings.simplefilter("ignore")


class _MadeBefore:
    """Is pickled as a scaler of an older scikit-learn."""

    def __reduce__(self):
        return preprocessing.StandardScaler, (), {"_sklearn_version": "1.0.2"}


class _Unreadable:
    def __reduce__(self):
        return int, ("x",)


class Models(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.folder = Path(cls.temporary.name)
        cls.worker = Worker()
        cls.x, cls.y = datasets.load_breast_cancer(return_X_y=True)

    @classmethod
    def tearDownClass(cls):
        cls.worker.close()
        cls.temporary.cleanup()

    def served(self, model, flavour="sklearn", name="model.joblib", **message):
        """Opens and loads the model; the description of the opening."""
        if isinstance(model, Path):
            path = model
        else:
            path = self.folder / name
            joblib.dump(model, path)
        opened = self.worker.open(path, flavour, **message)
        loaded = self.worker.load(path, flavour, opened)
        self.assertEqual(loaded["signature"], {"inputs": opened["inputs"], "outputs": opened["outputs"]})
        return opened

    def same(self, found, due):
        due = np.asarray(due)
        if due.dtype.kind in "OUST":
            self.assertEqual(found.tolist(), [str(item) for item in due])
        else:
            self.assertEqual(found.dtype, due.dtype if due.dtype != np.float32 else np.float64)
            np.testing.assert_array_equal(found, due)

    def test_a_fork_server_warms_up_without_a_thread_or_a_process(self):
        program = """
import os, sys, sklearn.ensemble
from penstock_fork_server.warm_up import warm_up
done = warm_up()
print(done, len(os.listdir('/proc/self/task')), open('/proc/self/task/%d/children' % os.getpid()).read())
"""
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        folder = Path(__file__).parent.parent
        found = subprocess.run([sys.executable, "-c", program], cwd=folder, env=environment, capture_output=True, text=True, check=True)
        self.assertEqual(found.stdout.split(), ["['sklearn']", "1"])

    def test_a_forest(self):
        model = ensemble.RandomForestClassifier(20, n_jobs=-1, random_state=0).fit(self.x, self.y)
        opened = self.served(model)
        self.assertEqual(opened["inputs"], [{"name": "x", "datatype": "FP64", "shape": [-1, 30]}])
        self.assertEqual([spec["name"] for spec in opened["outputs"]], ["label", "probabilities"])
        self.assertEqual(opened["facts"]["libraries"]["scikit-learn"], sklearn.__version__)
        self.assertIn("sklearn.ensemble", opened["facts"]["modules"])
        for rows in (1, 7, 200):
            result = self.worker.run(self.x[:rows])
            self.same(result["label"], model.predict(self.x[:rows]))
            self.same(result["probabilities"], model.predict_proba(self.x[:rows]))

    def test_a_classifier_of_texts_without_probabilities_from_a_pickle(self):
        names = np.array(["malignant", "benign"])[self.y]
        model = pipeline.make_pipeline(preprocessing.StandardScaler(), svm.LinearSVC(random_state=0)).fit(self.x, names)
        path = self.folder / "svc.pkl"
        path.write_bytes(pickle.dumps(model))
        opened = self.served(path)
        self.assertEqual(opened["outputs"], [{"name": "label", "datatype": "BYTES", "shape": [-1]}])
        self.assertEqual(opened["facts"]["classes"], ["benign", "malignant"])
        self.same(self.worker.run(self.x[:9])["label"], model.predict(self.x[:9]))

    def test_regressors_of_one_and_of_two_targets(self):
        x, y = datasets.load_diabetes(return_X_y=True)
        for target, shape in ((y, [-1]), (np.stack((y, -y), axis=1), [-1, 2])):
            model = linear_model.Ridge().fit(x, target)
            opened = self.served(model)
            self.assertEqual(opened["outputs"], [{"name": "value", "datatype": "FP64", "shape": shape}])
            self.same(self.worker.run(x[:5])["value"], model.predict(x[:5]))

    def test_named_numeric_columns_are_one_input(self):
        frame = datasets.load_breast_cancer(as_frame=True).data
        model = ensemble.HistGradientBoostingClassifier(max_iter=5).fit(frame, self.y)
        opened = self.served(model)
        self.assertEqual(opened["inputs"], [{"name": "x", "datatype": "FP64", "shape": [-1, 30]}])
        self.assertEqual(opened["facts"]["columns"][0], {"name": "mean radius", "datatype": "FP64"})
        self.same(self.worker.run(self.x[:5])["probabilities"], model.predict_proba(frame[:5]))

    def mixed(self):
        frame = pandas.DataFrame({"age": [20.0, 30, None, 50] * 5, "city": ["Bern", "Ulm", "Bern", "Graz"] * 5, "size": [1.0, 2, 3, 4] * 5})
        numbers = pipeline.make_pipeline(impute.SimpleImputer(), preprocessing.StandardScaler())
        columns = compose.make_column_transformer(
            (numbers, ["age", "size"]), (preprocessing.OneHotEncoder(handle_unknown="ignore"), ["city"])
        )
        model = pipeline.make_pipeline(columns, linear_model.LogisticRegression()).fit(frame, ["a", "b", "a", "c"] * 5)
        return frame, model

    def test_a_pipeline_with_a_column_of_texts_has_an_input_for_each_column(self):
        frame, model = self.mixed()
        opened = self.served(model)
        self.assertEqual(
            [(spec["name"], spec["datatype"]) for spec in opened["inputs"]], [("age", "FP64"), ("city", "BYTES"), ("size", "FP64")]
        )
        result = self.worker.run(*(frame[name].to_numpy()[:6] for name in frame.columns))
        self.same(result["label"], model.predict(frame[:6]))
        self.same(result["probabilities"], model.predict_proba(frame[:6]))

    def test_a_search_and_the_classes_of_other_libraries(self):
        frame, model = self.mixed()
        search = model_selection.GridSearchCV(model, {"logisticregression__C": [0.5, 1.0]}, cv=2).fit(frame, ["a", "b", "a", "c"] * 5)
        opened = self.served(search)
        self.assertEqual([spec["datatype"] for spec in opened["inputs"]], ["FP64", "BYTES", "FP64"])
        result = self.worker.run(*(frame[name].to_numpy()[:6] for name in frame.columns))
        self.same(result["probabilities"], search.predict_proba(frame[:6]))
        booster = xgboost.XGBClassifier(n_estimators=5, n_jobs=1).fit(self.x, self.y)
        self.served(booster)
        result = self.worker.run(self.x[:6])
        self.same(result["label"], booster.predict(self.x[:6]))
        self.same(result["probabilities"], booster.predict_proba(self.x[:6]))

    def test_texts(self):
        texts = ["good film", "bad film", "good", "bad bad", "fine good"] * 4
        model = pipeline.make_pipeline(feature_extraction.text.TfidfVectorizer(), linear_model.LogisticRegression()).fit(
            texts, [1, 0, 1, 0, 1] * 4
        )
        opened = self.served(model)
        self.assertEqual(opened["inputs"], [{"name": "x", "datatype": "BYTES", "shape": [-1]}])
        self.same(self.worker.run(texts[:3])["probabilities"], model.predict_proba(texts[:3]))

    def test_skops(self):
        import skops.io

        model = ensemble.ExtraTreesClassifier(5, random_state=0).fit(self.x, self.y)
        path = self.folder / "model.skops"
        skops.io.dump(model, path)
        self.served(path, "skops")
        self.same(self.worker.run(self.x[:5])["probabilities"], model.predict_proba(self.x[:5]))

    def test_boosters_of_three_objectives_in_three_formats(self):
        x, y = datasets.load_wine(return_X_y=True)
        binary = xgboost.XGBClassifier(n_estimators=8, n_jobs=1).fit(self.x, self.y)
        classes = xgboost.XGBClassifier(n_estimators=8, n_jobs=1).fit(x, y)
        value = xgboost.XGBRegressor(n_estimators=8, n_jobs=1).fit(x, y)
        for model, rows, name in ((binary, self.x, "m.json"), (classes, x, "m.ubj"), (value, x, "model")):
            model.get_booster().save_model(self.folder / name)
            opened = self.served(self.folder / name, "xgboost")
            self.assertEqual(opened["inputs"], [{"name": "x", "datatype": "FP32", "shape": [-1, rows.shape[1]]}])
            result = self.worker.run(rows[:9])
            if model is value:
                self.same(result["value"], model.predict(rows[:9]))
            else:
                self.same(result["label"], model.predict(rows[:9]))
                self.same(result["probabilities"], model.predict_proba(rows[:9]))

    def test_a_booster_that_stopped_early_uses_its_best_iteration(self):
        model = xgboost.XGBClassifier(n_estimators=60, learning_rate=1.0, early_stopping_rounds=2, n_jobs=1)
        model.fit(self.x[:300], self.y[:300], eval_set=[(self.x[300:], self.y[300:])], verbose=False)
        path = self.folder / "early.json"
        model.save_model(path)
        self.served(path, "xgboost")
        self.same(self.worker.run(self.x[:50])["probabilities"], model.predict_proba(self.x[:50]))

    def test_a_file_named_xgboost_model_serves_as_the_algorithm_of_sagemaker(self):
        x, y = datasets.load_wine(return_X_y=True)
        for model, rows in (
            (xgboost.XGBRegressor(n_estimators=8, n_jobs=1).fit(self.x, self.y), self.x[:3]),
            (xgboost.XGBClassifier(n_estimators=8, n_jobs=1).fit(x, y), x[:3]),
        ):
            booster = model.get_booster()
            line = ",".join(map(str, booster.predict(xgboost.DMatrix(rows)).tolist())).encode()
            csv = "\n".join(",".join(map(repr, row)) for row in rows.tolist()).encode()
            libsvm = "\n".join(" ".join(["1"] + ["%d:%r" % pair for pair in enumerate(row)]) for row in rows.tolist()).encode()
            for format in ("ubj", "json", "pickle"):
                path = self.folder / "algorithm" / "xgboost-model"
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(pickle.dumps(booster) if format == "pickle" else bytes(booster.save_raw(format)))
                self.assertEqual(self.served(path, "xgboost")["form"], "bytes")
                for body, kind in ((csv, "text/csv"), (csv, ""), (libsvm, "text/libsvm"), (libsvm + b"\n", "text/x-libsvm")):
                    message, reply, _ = self.worker.invoke(body, {"content-type": kind, "accept": "application/json"})
                    self.assertEqual((reply, message["headers"]["content-type"]), (line, "text/csv"))
        gap = np.where(np.arange(x.shape[1]) == 2, np.nan, x[:1])
        empty = ",".join("" if value != value else repr(value) for value in gap[0].tolist())
        sparse = " ".join("%d:%r" % pair for pair in enumerate(gap[0].tolist()) if pair[0] != 2)
        expected = str(booster.predict(xgboost.DMatrix(gap)).tolist()[0]).encode()
        for body, kind in ((empty, "text/csv"), (sparse, "text/libsvm")):
            self.assertEqual(self.worker.invoke(body.encode(), {"content-type": kind})[1], expected)
        for body, kind, status, reason in (
            (b"1,2", "text/csv", None, "the rows have 2 columns: expected the 13 features of the model"),
            (b"a,b", "text/csv", 415, "the body is not text/csv: could not convert string to float"),
            (b"1,2\n1", "text/csv", 415, "the rows have different numbers of columns"),
            (b"1 13:1", "text/libsvm", 415, "the index 13, and the model has the features 0 to 12"),
            (b"1 -1:1", "text/libsvm", 415, "an index is not from 0"),
            (b"{}", "application/json", 415, "content type application/json is not supported"),
        ):
            with self.assertRaisesRegex(CallFailed, reason) as caught:
                self.worker.invoke(body, {"content-type": kind})
            self.assertEqual(caught.exception.message.get("status"), status)

    def test_a_sample_with_other_columns_is_refused_by_their_names(self):
        frame = pandas.DataFrame(self.x[:40, :3], columns=["age", "fare", "sex"])
        named = self.folder / "named.joblib"
        joblib.dump(linear_model.LogisticRegression().fit(frame, self.y[:40]), named)
        plain = self.folder / "plain.joblib"
        joblib.dump(linear_model.LogisticRegression().fit(self.x[:40, :3], self.y[:40]), plain)
        for path, body, content_type, reason in (
            (named, "age,cost,port\n1,2,3\n", "text/csv", "lacks the columns 'fare', 'sex', and has 'cost', 'port', which the model does not take"),
            (named, '[{"age": 1, "fare": 2}]', "application/json", "the sample lacks the column 'sex'$"),
            (plain, "a,b\n1,2\n", "text/csv", "the sample has 2 columns: expected the 3 features of the model"),
            (plain, "[1, 2, 3]", "application/json", "the sample has the shape \\[3\\]: expected the 3 features"),
        ):
            sample = {"contentType": content_type, "body": base64.b64encode(body.encode()).decode()}
            with self.assertRaisesRegex(CallFailed, reason):
                self.worker.open(path, "sklearn", sample=sample)

    def test_a_changed_model_is_not_loaded_under_the_approved_signature(self):
        opened = self.served(linear_model.LogisticRegression().fit(self.x[:, :3], self.y))
        path = self.folder / "other.joblib"
        joblib.dump(linear_model.LogisticRegression().fit(self.x[:, :4], self.y), path)
        with self.assertRaisesRegex(CallFailed, r"x FP64 \[-1,4\], and x FP64 \[-1,3\] were approved"):
            self.worker.load(path, "sklearn", opened)

    def test_another_minor_version_of_the_library_is_noted(self):
        path = self.folder / "model.joblib"
        joblib.dump(linear_model.LogisticRegression().fit(self.x[:, :3], self.y), path)
        opened = self.worker.open(path, "sklearn")
        major, minor = sklearn.__version__.split(".")[:2]
        self.worker.load(path, "sklearn", opened, libraries={"scikit-learn": "%s.%s.99" % (major, minor), "numpy": "0.1"})
        self.assertNotIn("opened with", self.worker.printed())
        self.worker.load(path, "sklearn", opened, libraries={"scikit-learn": "%s.%d.0" % (major, int(minor) - 1)})
        self.assertIn("opened with scikit-learn %s.%d.0, this environment has" % (major, int(minor) - 1), self.worker.printed())

    def test_a_file_of_another_version_that_does_not_open_says_so(self):
        path = self.folder / "old.pkl"
        path.write_bytes(pickle.dumps((_MadeBefore(), _Unreadable())))
        with self.assertRaisesRegex(CallFailed, "the file was made with scikit-learn 1.0.2, this environment has .*, and does not open: ValueError"):
            self.worker.open(path, "sklearn")

    def test_a_file_without_a_model_and_a_damaged_one_are_refused_in_a_sentence(self):
        path = self.folder / "list.joblib"
        joblib.dump([1, 2], path)
        with self.assertRaisesRegex(CallFailed, "an object of type list, which has no predict"):
            self.worker.open(path, "sklearn")
        path.write_bytes(path.read_bytes()[:10])
        with self.assertRaisesRegex(CallFailed, "the model could not be opened") as caught:
            self.worker.open(path, "sklearn")
        self.assertTrue(caught.exception.message["lines"])


if __name__ == "__main__":
    unittest.main()
