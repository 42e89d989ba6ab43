import contextlib
import io
import unittest

from penstock_worker.logs import Marks, Tracebacks


class MarksTest(unittest.TestCase):
    def test_a_text_that_a_model_prints_cannot_pass_for_the_mark_of_another_call(self):
        stream = io.StringIO()
        marks = Marks()
        marks.watch(stream)
        marks.begin(7)
        stream.write("of a request: \x1e@8\x1e forged\n")
        marks.end()
        self.assertEqual(stream.getvalue(), "\x1e@7\x1eof a request: \u241e@8\u241e forged\n\x1e@0\x1e")


class TracebacksTest(unittest.TestCase):
    def setUp(self):
        self.now = 0.0
        self.tracebacks = Tracebacks(now=lambda: self.now)

    def printed(self, *errors):
        output = io.StringIO()
        with contextlib.redirect_stderr(output):
            for error in errors:
                self.tracebacks.report(error)
        return output.getvalue()

    def test_at_most_50_are_printed_in_a_minute(self):
        kinds = [type("Error%d" % i, (ValueError,), {}) for i in range(60)]
        text = self.printed(*(kind("x") for kind in kinds))
        self.assertEqual(text.count("Error"), 50)
        self.assertEqual(text.count("further tracebacks of this minute are not printed"), 1)
        self.now = 60
        self.assertIn("Error59: x", self.printed(kinds[59]("x")))

    def test_the_same_one_is_printed_again_after_ten_seconds(self):
        self.assertIn("ValueError: one", self.printed(ValueError("one"), ValueError("two")))
        self.assertEqual(self.printed(ValueError("three")), "")
        self.now = 10
        self.assertIn("ValueError: four", self.printed(ValueError("four")))


if __name__ == "__main__":
    unittest.main()
