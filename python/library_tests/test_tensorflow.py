"""Saved models of TensorFlow, and files of Keras."""

import os
import unittest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
import numpy as np
import tensorflow as tf

from library_tests.case import LibraryCase
from tests.link import CallFailed


class Module(tf.Module):
    def __init__(self):
        super().__init__()
        self.weights = tf.Variable([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])

    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32, "x"), tf.TensorSpec([None], tf.string, "name")])
    def serve(self, x, name):
        return {"scores": tf.matmul(x, self.weights), "upper": tf.strings.upper(name)}


class Tensorflow(LibraryCase):
    def test_a_saved_model(self):
        module = Module()
        tf.saved_model.save(module, str(self.folder / "saved"), signatures={"serving_default": module.serve})
        opened = self.served(self.folder / "saved", "tensorflow", "saved_model.pb")
        self.assertEqual(self.specs(opened, "inputs"), [("name", "BYTES", [-1]), ("x", "FP32", [-1, 3])])
        self.assertEqual(self.specs(opened, "outputs"), [("scores", "FP32", [-1, 2]), ("upper", "BYTES", [-1])])
        rows = np.random.RandomState(0).random_sample((5, 3)).astype("f4")
        result = self.worker.run(["a", "b", "ü", "", "e"], rows)
        self.same(result["scores"], module.serve(rows, ["a"] * 5)["scores"])
        self.assertEqual(list(result["upper"])[:2], ["A", "B"])

    def test_a_saved_model_without_the_signature_is_refused(self):
        tf.saved_model.save(tf.Module(), str(self.folder / "bare"))
        with self.assertRaisesRegex(CallFailed, "has no signature 'serving_default'"):
            self.worker.open(self.folder / "bare", "tensorflow", "saved_model.pb")

    def test_keras(self):
        inputs = tf.keras.Input((4,), name="x")
        hidden = tf.keras.layers.Dropout(0.5)(tf.keras.layers.Dense(8, activation="relu")(inputs))
        model = tf.keras.Model(inputs, tf.keras.layers.Dense(3)(hidden))
        model.save(str(self.folder / "model.keras"))
        opened = self.served(self.folder / "model.keras", "keras")
        self.assertEqual(
            self.specs(opened, "inputs") + self.specs(opened, "outputs"), [("x", "FP32", [-1, 4]), ("output", "FP32", [-1, 3])]
        )
        rows = np.random.RandomState(0).random_sample((5, 4)).astype("f4")
        self.same(self.worker.run(rows)["output"], model(rows, training=False).numpy())


if __name__ == "__main__":
    unittest.main()
