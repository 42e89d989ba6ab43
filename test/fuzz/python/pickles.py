"""Writes random pickles, opens each in Python, and records what it imports: `pickles.py FOLDER SEED COUNT`.

Half of them are programs of random opcodes with arrays as joblib writes them, half are files of test/models/python with changes. Imported
classes are replaced by harmless ones, except those that decide how the rest of a file is read. Each file is opened in a process of its own,
because NumPy crashes on some.
"""
import json, os, pickle, random, sys, warnings
from pathlib import Path

import joblib, joblib.numpy_pickle as numpy_pickle, numpy as np

models = Path(__file__).parents[2] / "models/python"
sys.path.insert(0, str(models))
from hostile import HOSTILE, MODEL, array, dtype_of, text

folder, seed, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
random.seed(seed)
warnings.simplefilter("ignore")

WORDS = [text(word) for word in ("posix", "getcwd", "numpy", "ndarray", "dtype", "f8", "shape", "subclass", "dtype")]
CODES = [bytes([code]) for code in b"\x93\x93RR))\x94\x94((012\x85\x86t}subbaee]\x81oN\x89\x8f\x90\x91\x92."]
OPERANDS = [b"h\0", b"h\1", b"h\2", b"q\0", b"q\1", b"r\3\0\0\0", b"K\2", b"J\3\0\0\0", b"\x80\4", b"\x80\2", b"C\3abc", b"\x8a\1\5", b"\x8a\0"]
LINES = [b"cposix\ngetpid\n", b"iposix\ngetppid\n", b"S'posix'\n", b"Vgetcwd\n", b"I5\n", b"g1\n", b"p2\n", b"L3L\n"]
PARTS = [
    text("posix") + text("getcwd") + b"\x93",
    text("joblib.numpy_pickle") + text("NumpyArrayWrapper") + b"\x93)\x81",
    text("numpy") + text("dtype") + b"\x93",
    text("order") + text("C"),
    text("numpy_array_alignment_bytes") + b"K\x10",
    text("copyreg") + text("_reconstructor") + b"\x93",
    *map(dtype_of, map(np.dtype, ("f8", "O", [("a", "f8"), ("b", "O")], [("a", "f8"), ("b", "i2")]))),
]
PIECES = WORDS + CODES + OPERANDS + LINES + PARTS
DTYPES = [np.dtype(kind) for kind in ("u1", "f8", "O", [("a", "f8"), ("b", "u1")], "U3", "M8[D]", "S5")]


def program(length):
    return b"".join(random_array() if random.random() < 0.12 else random.choice(PIECES) for _ in range(length))


def random_array():
    kind, size = random.choice(DTYPES), random.randint(0, 3)
    if kind.hasobject:
        data = b"\x80\x02" + program(random.randint(1, 6)) + b"."
    else:
        data = bytes(random.choice(b".0(cR\x93)ab\x00\xff\x80\x04") for _ in range(size * kind.itemsize))
        data = random.choice([data, data, data, data + b"x", data[:-1]])
    return array(data, kind, [size])[2:]


def changed(content):
    content = bytearray(content)
    for _ in range(random.randint(1, 4)):
        at = random.randrange(len(content))
        choice = random.random()
        if choice < 0.4:
            content[at] = random.randrange(256)
        elif choice < 0.7:
            content[at:at] = random.choice(PIECES)
        elif choice < 0.9 and len(content) > 8:
            del content[at : at + random.randint(1, 4)]
        else:
            content[at:at] = program(3)
    return bytes(content)


class Harmless:
    """Takes whatever a pickle does to it."""

    def __new__(cls, *args, **options):
        return object.__new__(cls)

    def __init__(self, *args, **options): ...
    def __setstate__(self, state): ...
    def append(self, item): ...
    def extend(self, items): ...
    def add(self, item): ...
    def __setitem__(self, key, value): ...


REAL = {("joblib.numpy_pickle", "NumpyArrayWrapper"), ("numpy", "dtype"), ("numpy", "ndarray"), ("copyreg", "_reconstructor"), ("builtins", "object")}


def opened(path):
    """What opening the file imports; and whether it opens."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)

        class Recording:
            def find_class(self, module, name):
                os.write(writing, json.dumps(f"{module}.{name}").encode() + b"\n")
                return super().find_class(module, name) if (module, name) in REAL else type("Other", (Harmless,), {})

        numpy_pickle.NumpyUnpickler = type("Joblib", (Recording, numpy_pickle.NumpyUnpickler), {})
        plain = type("Plain", (Recording, pickle.Unpickler), {})
        numpy_pickle.pickle.load = lambda file, **options: plain(file, **options).load()
        try:
            joblib.load(path)
            os.write(writing, b"true\n")
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as lines:
        seen = [json.loads(line) for line in lines]
    os.waitpid(child, 0)
    return {"imports": sorted({name for name in seen if name is not True}), "opens": True in seen}


files = [content for content, _, _ in HOSTILE.values()]
files += [path.read_bytes() for path in sorted((models / "files").iterdir()) if path.suffix in (".joblib", ".pkl") and path.stat().st_size < 12000]
results = {}
for index in range(count):
    path = folder / f"{index}.pkl"
    path.write_bytes(changed(random.choice(files)) if random.random() < 0.5 else b"\x80\x04" + program(random.randint(2, 25)) + MODEL + b".")
    results[path.name] = opened(path)
(folder / "results.json").write_text(json.dumps(results))
