"""A script of any framework: three lines of output and a model."""

import argparse
import os
import pathlib

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=3)
args = parser.parse_args()
checkpoints = pathlib.Path("/opt/ml/checkpoints")
for epoch in range(args.epochs):
    print(f"epoch={epoch} loss={1 / (epoch + 1):.3f}")
    if checkpoints.is_dir():
        (checkpoints / f"{epoch}.txt").write_text(str(epoch))
pathlib.Path(os.environ["SM_MODEL_DIR"], "model.txt").write_text("toy")
