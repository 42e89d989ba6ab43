"""What the tests of each library share: a worker, a folder, and a comparison with the library's own answer."""

import tempfile
import unittest
import warnings
from pathlib import Path

from tests.link import Worker


class LibraryCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        warnings.simplefilter("ignore")
        cls.temporary = tempfile.TemporaryDirectory()
        cls.folder = Path(cls.temporary.name)
        cls.worker = Worker()

    @classmethod
    def tearDownClass(cls):
        cls.worker.close()
        cls.temporary.cleanup()

    def served(self, path, flavour, entry="", **message):
        """Opens the model, and loads it as the server does later. Returns what the opening said."""
        opened = self.worker.open(path, flavour, entry, **message)
        loaded = self.worker.load(path, flavour, opened, entry)
        self.assertEqual(loaded["signature"], {"inputs": opened["inputs"], "outputs": opened["outputs"]})
        return opened

    def specs(self, opened, kind):
        return [(spec["name"], spec["datatype"], spec["shape"]) for spec in opened[kind]]

    def same(self, found, due):
        """Equal bit for bit."""
        import numpy as np

        due = np.asarray(due)
        if due.dtype.kind in "OUST":
            self.assertEqual(list(found), [str(item) for item in due.reshape(-1)])
            return
        self.assertEqual(found.shape, due.shape)
        np.testing.assert_array_equal(found, due)
