import io
import unittest

from penstock_worker.logs import Marks


class MarksTest(unittest.TestCase):
    def test_a_text_that_a_model_prints_cannot_pass_for_the_mark_of_another_call(self):
        stream = io.StringIO()
        marks = Marks()
        marks.watch(stream)
        marks.begin(7)
        stream.write("of a request: \x1e@8\x1e forged\n")
        marks.end()
        self.assertEqual(stream.getvalue(), "\x1e@7\x1eof a request: \u241e@8\u241e forged\n\x1e@0\x1e")


if __name__ == "__main__":
    unittest.main()
