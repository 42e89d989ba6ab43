"""Pickles that hide what they import. Each calls os.getcwd, which does no harm; opening it in Python proves that it really does.

`make.py` writes them. Opcodes are written by hand: no library writes such files.
"""
import pickle, struct
import numpy as np


def text(value):
    raw = value.encode()
    return b"\x8c" + bytes([len(raw)]) + raw


CALL = b"\x93)R"  # STACK_GLOBAL, EMPTY_TUPLE, REDUCE
GETCWD = text("posix") + text("getcwd") + CALL


def array(data, dtype=np.dtype("u1"), shape=None, alignment=False, framed=b""):
    """An array as joblib writes it, with these bytes."""
    wrapper = b"\x80\x04" + framed + text("joblib.numpy_pickle") + text("NumpyArrayWrapper") + b"\x93)\x81}("
    wrapper += text("subclass") + text("numpy") + text("ndarray") + b"\x93"
    wrapper += text("shape") + b"(" + b"".join(b"J" + struct.pack("<i", n) for n in shape or [len(data)]) + b"t"
    wrapper += text("order") + text("C") + text("dtype") + dtype_of(dtype) + text("allow_mmap") + b"\x89"
    wrapper += b"ub"  # SETITEMS, BUILD
    return wrapper + data


def dtype_of(dtype):
    """The opcodes of a datatype, without PROTO and STOP."""
    return pickle.dumps(dtype, protocol=2)[2:-1]


def nested(payload):
    """An array of one Python object: a pickle of an array, in which the payload is the element."""
    body = b"\x80\x04" + payload
    return array(body + b".", np.dtype("O"), [1])


MODEL = text("sklearn.tree._classes") + text("DecisionTreeClassifier") + b"\x93)\x81"

# Name: (bytes, names that must be listed as outside, part of an oddity or of the message of the rejection).
HOSTILE = {
    "call.pkl": (b"\x80\x04" + GETCWD + b"0" + MODEL + b".", ["posix.getcwd"], None),
    "protocol-0.pkl": (b"cposix\ngetcwd\n(tR0csklearn.tree._classes\nDecisionTreeClassifier\n(tR.", ["posix.getcwd"], None),
    "inst.pkl": (b"(iposix\ngetcwd\n0" + MODEL + b".", ["posix.getcwd"], None),
    "obj.pkl": (b"\x80\x02(cposix\ngetcwd\no0" + MODEL + b".", ["posix.getcwd"], None),
    "memo.pkl": (b"\x80\x04" + text("getcwd") + b"q\x05" + text("posix") + b"q\x090h\x09h\x05" + CALL + b"." , ["posix.getcwd"], None),
    "memo-twice.pkl": (
        b"\x80\x04" + text("numpy") + b"q\x00" + text("posix") + b"q\x00" + text("getcwd") + b"\x94" + b"000h\x00h\x01" + CALL + b".",
        ["posix.getcwd"],
        None,
    ),
    "stack.pkl": (b"\x80\x04(" + text("numpy") + b"1" + text("posix") + text("x") + b"0" + text("getcwd") + CALL + b".", ["posix.getcwd"], None),
    "getattr.pkl": (
        b"\x80\x04" + text("builtins") + text("getattr") + b"\x93" + text("joblib.numpy_pickle") + text("os") + b"\x93" + text("getcwd") + b"\x86R)R.",
        ["builtins.getattr"],
        "computed",
    ),
    "dotted.pkl": (b"\x80\x04" + text("joblib.numpy_pickle") + text("os.getcwd") + CALL + b".", ["joblib.numpy_pickle.os.getcwd"], None),
    "computed-name.pkl": (
        b"\x80\x04" + text("builtins") + text("str") + b"\x93" + text("posix") + b"\x85R" + text("getcwd") + CALL + b".",
        [],
        "not written in the file",
    ),
    "behind-array.joblib": (array(b".......c" * 8) + b"0" + GETCWD + b".", ["posix.getcwd"], None),
    "behind-stop-in-array.joblib": (array(b"0" + MODEL + b".") + b"0" + GETCWD + b".", ["posix.getcwd"], None),
    "in-object-array.joblib": (nested(GETCWD) + b"0" + MODEL + b".", ["posix.getcwd"], None),
    "in-array-only.joblib": (array(GETCWD) + b"0" + MODEL + b".", [], None),
    "structured.joblib": (
        array(b"\0" * 24 + b"." * 24, np.dtype([("a", "f8"), ("b", "i4"), ("c", "S12")]), [2]) + b"0" + GETCWD + b".",
        ["posix.getcwd"],
        None,
    ),
    "second-pickle.pkl": (b"\x80\x04" + MODEL + b"." + b"\x80\x04" + GETCWD + b".", ["posix.getcwd"], None),
    "behind-stop.pkl": (b"\x80\x04" + MODEL + b"." + GETCWD + b".", [], "not pickle"),
    "extension.pkl": (b"\x80\x02" + MODEL + b"\x82\x07." , [], "registry of extensions"),
    "persistent.pkl": (b"\x80\x02" + MODEL + b"Pname\n.", [], "persistent"),
    "changed-class.pkl": (b"\x80\x04" + text("sklearn.base") + text("BaseEstimator") + b"\x93}" + text("x") + b"K\x01sb.", [], "changes sklearn.base"),
    "frame.joblib": (array(b"\0\0", framed=b"\x95" + struct.pack("<Q", 4096)) + GETCWD + b".", [], "frame"),
    "frames.pkl": (b"\x80\x04\x95" + struct.pack("<Q", 3) + GETCWD + b".", [], "crosses the end of its frame"),
    "reader.pkl": (b"\x80\x04" + text("numpy") + text("load") + b"\x93" + text("other.npy") + b"\x85R.", ["numpy.load"], None),
    "function.pkl": (b"\x80\x04" + text("pandas") + text("eval") + b"\x93" + text("1") + b"\x85R.", ["pandas.eval"], None),
}
