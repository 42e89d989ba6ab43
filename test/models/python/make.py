"""Writes the model files of this folder, with the libraries that users write them with, and vectors.json, which says what is in them.

What a pickle imports is recorded by opening it in Python, so it is independent of the reader that is tested.

    python -m venv V && V/bin/pip install scikit-learn xgboost lightgbm catboost cloudpickle skops pandas && V/bin/python make.py
"""
import json, pickle, warnings, zipfile
from pathlib import Path

import cloudpickle, joblib, numpy as np, pandas as pd
import joblib.numpy_pickle as numpy_pickle
import hostile
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.ensemble import GradientBoostingRegressor, HistGradientBoostingClassifier, IsolationForest, RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, PolynomialFeatures, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

warnings.simplefilter("ignore")
here = Path(__file__).parent
files = here / "files"
files.mkdir(exist_ok=True)
for old in files.iterdir():
    old.unlink()
vectors = {}


def imports_of(path, names=None):
    """The names that opening the file imports. Those of a file that fails to open are left in `names`."""
    names = set() if names is None else names

    class Recording(numpy_pickle.NumpyUnpickler):
        def find_class(self, module, name):
            names.add(f"{module}.{name}")
            return super().find_class(module, name)

    class Plain(pickle.Unpickler):
        def find_class(self, module, name):
            names.add(f"{module}.{name}")
            return super().find_class(module, name)

    def load(file, **options):
        return Plain(file, **options).load()

    unpickler, plain_load = numpy_pickle.NumpyUnpickler, pickle.load
    numpy_pickle.NumpyUnpickler, numpy_pickle.pickle.load = Recording, load
    try:
        joblib.load(path)
    finally:
        numpy_pickle.NumpyUnpickler, numpy_pickle.pickle.load = unpickler, plain_load
    old = {"__builtin__": "builtins", "copy_reg": "copyreg"}
    return sorted({".".join([old.get(n.split(".")[0], n.split(".")[0]), *n.split(".")[1:]]) for n in names})


def record(name, **expected):
    path = files / name
    vectors[name] = {"imports": imports_of(path), **expected}


def class_of(model):
    return f"{type(model).__module__}.{type(model).__qualname__}"


def dump(name, model, how, **options):
    if how is joblib:
        joblib.dump(model, files / name, **options)
    else:
        with open(files / name, "wb") as file:
            how.dump(model, file, **options)
    record(name, flavour="sklearn", holds=class_of(model))


frame, y = load_iris(return_X_y=True, as_frame=True)
X = frame.to_numpy()
small = RandomForestClassifier(3, max_depth=3, random_state=0).fit(frame, y)
for protocol in (2, 3, 4, 5):
    dump(f"forest-{protocol}.joblib", small, joblib, protocol=protocol)
for protocol in range(6):
    dump(f"forest-{protocol}.pkl", small, pickle, protocol=protocol)
for protocol in (4, 5):
    dump(f"forest-{protocol}.cloudpickle", small, cloudpickle, protocol=protocol)
dump("forest.zlib.joblib", small, joblib, compress=3)
dump("forest.joblib.gz", small, joblib)
models = {
    "logistic": LogisticRegression(max_iter=200),
    "pipeline": make_pipeline(StandardScaler(), PCA(n_components=2), SVC(probability=False)),
    "neighbours": KNeighborsClassifier(algorithm="kd_tree"),
    "ball-tree": KNeighborsClassifier(algorithm="ball_tree", metric="manhattan"),
    "boosting": HistGradientBoostingClassifier(max_iter=2, max_depth=2, random_state=0),
    "tree": DecisionTreeClassifier(max_depth=2, random_state=0),
    "isolation": IsolationForest(n_estimators=3, random_state=0),
    "bayes": GaussianNB(),
    "perceptron": MLPClassifier(hidden_layer_sizes=(3,), max_iter=5, random_state=0),
    "sgd": SGDClassifier(random_state=0),
    "calibrated": CalibratedClassifierCV(LogisticRegression(max_iter=200), method="isotonic", cv=2),
    "search": GridSearchCV(LogisticRegression(max_iter=200), {"C": [0.1, 1.0]}, cv=2),
    "functions": make_pipeline(FunctionTransformer(np.log1p), PolynomialFeatures(degree=2), LogisticRegression(max_iter=200)),
}
for name, model in models.items():
    dump(f"{name}.joblib", model.fit(frame, y), joblib)
dump("regressor.pkl", GradientBoostingRegressor(n_estimators=2, random_state=0).fit(X, y), pickle)
dump("process.joblib", GaussianProcessRegressor(random_state=0).fit(X[::10], y[::10]), joblib)
dump("isotonic.joblib", IsotonicRegression().fit(X[:, 0], y), joblib)
dump("clusters.joblib", KMeans(n_clusters=3, n_init=1, random_state=0).fit(X), joblib)
people = pd.DataFrame({"age": [30.0, 40.0, 50.0, 60.0], "city": ["Bonn", "Kiel", "Bonn", "Jena"]})
columns = ColumnTransformer([("city", OneHotEncoder(handle_unknown="ignore"), ["city"]), ("age", StandardScaler(), ["age"])])
mixed = make_pipeline(columns, LogisticRegression()).fit(people, [0, 1, 0, 1])
dump("columns.joblib", mixed, joblib)
dump("columns-2.joblib", mixed, joblib, protocol=2)
dump("columns.pkl", mixed, pickle)
texts = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(["good film", "bad film", "good", "bad"], ["yes", "no", "yes", "no"])
dump("texts.joblib", texts, joblib)

import xgboost

boosted = xgboost.XGBClassifier(n_estimators=2, max_depth=2).fit(frame, y)
dump("xgboost.joblib", boosted, joblib)
dump("xgboost.pkl", boosted, pickle)
boosted.save_model(files / "xgboost.json")
boosted.save_model(files / "xgboost.ubj")
expected = dict(flavour="xgboost", features=4, columns=list(frame.columns), objective="multi:softprob", version=xgboost.__version__)
vectors["xgboost.json"] = dict(imports=None, **expected)
vectors["xgboost.ubj"] = dict(imports=None, **expected)
xgboost.XGBRegressor(n_estimators=1, max_depth=1).fit(X, y).save_model(files / "xgboost-unnamed.json")
vectors["xgboost-unnamed.json"] = dict(imports=None, flavour="xgboost", features=4, objective="reg:squarederror", version=xgboost.__version__)

import lightgbm

leaves = lightgbm.LGBMClassifier(n_estimators=2, num_leaves=3, verbose=-1).fit(frame, y)
dump("lightgbm.joblib", leaves, joblib)
leaves.booster_.save_model(files / "lightgbm.txt")
vectors["lightgbm.txt"] = dict(
    imports=None, flavour="lightgbm", features=4, columns=leaves.booster_.feature_name(), objective="multiclass num_class:3"
)

import catboost

trees = catboost.CatBoostClassifier(iterations=2, depth=2, verbose=0, allow_writing_files=False, random_seed=0).fit(X, y)
trees.save_model(str(files / "catboost.cbm"))
vectors["catboost.cbm"] = dict(imports=None, flavour="catboost")

import skops.io

skops.io.dump(texts, files / "texts.skops")

def types_in(node):
    """The classes and functions that a schema of skops names."""
    if isinstance(node, list):
        return set().union(*map(types_in, node))
    if not isinstance(node, dict):
        return set()
    own = {f"{node[m]}.{node[c]}" for m, c in (("__module__", "__class__"), ("module_path", "function")) if isinstance(node.get(m), str) and c in node}
    return own | types_in(list(node.values()))


assert skops.io.get_untrusted_types(file=files / "texts.skops") == []
schema = json.loads(zipfile.ZipFile(files / "texts.skops").read("schema.json"))
vectors["texts.skops"] = dict(flavour="skops", imports=sorted(types_in(schema)), version=skops.__version__)

# Not all of them open without an error, but until then Python imports what must be listed. Only the first pickle of a file is opened.
for name, (content, outside, says) in hostile.HOSTILE.items():
    (files / name).write_bytes(content)
    seen = set()
    try:
        imports_of(files / name, seen)
    except Exception as error:
        print(f"{name}: opening it ends with {type(error).__name__}: {error}")
    assert name == "second-pickle.pkl" or set(outside) <= seen, (name, seen)
    vectors[name] = dict(hostile=True, imports=sorted(seen), outside=outside, says=says)

(here / "vectors.json").write_text(json.dumps(vectors, indent=1, sort_keys=True) + "\n")
total = sum(path.stat().st_size for path in files.iterdir())
print(len(vectors), "files,", total, "bytes")
assert total < 1_000_000
