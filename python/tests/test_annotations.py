"""What annotations of `predict` mean, and what is refused with a sentence that says what to write."""

import typing
import unittest

from penstock_worker.annotations import json_element_type, output_types, parse_tensor_type, read_predict
from penstock_worker.errors import PlatformError


class TensorTypes(unittest.TestCase):
    def test_the_grammar(self):
        cases = [
            ("float32[n,30]", "FP32", [-1, 30], True),
            ("float32[30]", "FP32", [-1, 30], False),
            ("float64[]", "FP64", [-1], False),
            (" float16 [ rows , 3 , m ] ", "FP16", [-1, 3, -1], True),
            ("bfloat16[n,2]", "BF16", [-1, 2], True),
            ("bool[n]", "BOOL", [-1], True),
            ("int8[n,0]", "INT8", [-1, 0], True),
            ("uint64[3,4]", "UINT64", [-1, 3, 4], False),
            ("str[n]", "BYTES", [-1], True),
            ("bytes[n]", "BYTES", [-1], True),
            ("int64[3,m]", "INT64", [-1, 3, -1], False),
            ("uint8[n,4294967295]", "UINT8", [-1, 4294967295], True),
        ]
        for text, datatype, shape, is_batch in cases:
            with self.subTest(text):
                parsed = parse_tensor_type(text)
                self.assertEqual((parsed.datatype, parsed.spec("x").shape, parsed.is_batch), (datatype, shape, is_batch))
        self.assertFalse(parse_tensor_type("bytes[n]").spec("x").is_text)

    def test_what_is_no_tensor_is_left_to_python(self):
        for text in ("str", "pd.DataFrame", "", "float32", "dict[str, list[int]]", "x y[n]", "[n]"):
            with self.subTest(text):
                self.assertIsNone(parse_tensor_type(text))

    def test_a_wrong_tensor_is_refused(self):
        for text, reason in [
            ("float31[n]", "unknown dtype 'float31'"),
            ("float[n,3]", "unknown dtype 'float'"),
            ("float32[n,]", "invalid dimension ''"),
            ("float32[-1,3]", "invalid dimension '-1'"),
            ("float32[n 3]", "invalid dimension 'n 3'"),
            ("float32[4294967296]", "invalid dimension"),
            ("float32[%s]" % ",".join("1" * 33), "33 dimensions"),
            ("float32[٣]", "invalid dimension"),
        ]:
            with self.subTest(text), self.assertRaisesRegex(PlatformError, reason):
                parse_tensor_type(text)


class Functions(unittest.TestCase):
    def test_forms(self):
        def batch(model, x: "float32[n,30]", y: "str[n]" = None): ...

        def row(x: "float32[30]"): ...

        def texts(texts: typing.List[str]): ...

        def item(item: dict, request): ...

        def body(body: bytes, content_type: str, accept: str): ...

        def stream(prompt: str):
            yield prompt

        for function, kind, is_batch, is_stream in [
            (batch, "tensors", True, False),
            (row, "tensors", False, False),
            (texts, "json", True, False),
            (item, "json", False, False),
            (body, "bytes", False, False),
            (stream, "json", False, True),
        ]:
            with self.subTest(function.__name__):
                takes = read_predict(function)
                self.assertEqual((takes.kind, takes.is_batch, takes.is_stream), (kind, is_batch, is_stream))
        self.assertEqual(list(read_predict(batch).parameters), ["x", "y"])

    def test_annotations_that_are_postponed_or_hidden_from_type_checkers(self):
        scope = {"__name__": "model"}
        source = "from __future__ import annotations\nimport typing\ndef a(x: 'float32[n,3]'): ...\ndef b(x: list[str]): ...\ndef c(x: str): ...\n"
        exec(source + "def d(x: typing.List[dict]) -> 'float32[n]': ...\n", scope)
        kinds = [(read_predict(scope[name]).kind, read_predict(scope[name]).is_batch) for name in "abcd"]
        self.assertEqual(kinds, [("tensors", True), ("json", True), ("json", False), ("json", True)])

        def annotated(x: typing.Annotated[object, "float32[n,3]"]): ...

        self.assertEqual(read_predict(annotated).parameters["x"].spec("x").shape, [-1, 3])

    def test_outputs(self):
        self.assertEqual(list(output_types(("float32[n]", "int64[n]"), {})), ["output", "output_1"])
        self.assertEqual(list(output_types({"a": "float32[n]", "b": "str[n]"}, {})), ["a", "b"])
        self.assertEqual(list(output_types("('float32[n]', 'int64[n]')", {})), ["output", "output_1"])
        self.assertIsNone(output_types("list", {}))

    def test_element_types(self):
        for value, element in [
            (typing.List[str], str),
            (list, None),
            (typing.List[typing.Dict[str, int]], dict),
            (dict, dict),
            (float, float),
        ]:
            self.assertIs(json_element_type(value), element)

    def test_what_is_refused(self):
        def nothing(): ...

        def bare(x): ...

        def mixed(x: "float32[n,3]", y: "float32[3]"): ...

        def two(x: dict, y: dict): ...

        def many(*x: "float32[n]"): ...

        def tensors(x: "float32[n]"):
            yield x

        def lists(x: typing.List[str]):
            yield x

        def unknown(x: complex): ...

        def half(x: "float32[n]", y): ...

        def no_dtype(x: "float[n,3]"): ...

        def no_name(x: "Frame"): ...

        for function, reason in [
            (nothing, "takes no input"),
            (bare, "says neither what it takes nor was a --sample"),
            (mixed, "a batch in 'x' and one row in 'y'"),
            (two, "cannot be served"),
            (many, "of a kind that cannot be called by name"),
            (tensors, "yields and takes tensors"),
            (lists, "yields and takes a list"),
            (unknown, "x: complex"),
            (half, "y: no annotation"),
            (no_dtype, r"unknown dtype 'float' in the annotation 'float\[n,3\]': expected one of bool, int8"),
            (no_name, "the annotation 'Frame' cannot be read: name 'Frame' is not defined"),
        ]:
            with self.subTest(function.__name__), self.assertRaisesRegex(PlatformError, reason):
                read_predict(function)
        self.assertEqual(read_predict(bare, has_sample=True).kind, "sample")


if __name__ == "__main__":
    unittest.main()
