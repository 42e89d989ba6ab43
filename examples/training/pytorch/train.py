"""Trains a small convolutional network that reads handwritten digits, and writes it as ONNX.

It follows the contract of SageMaker's training containers: data lies in /opt/ml/input/data/CHANNEL, hyperparameters
arrive as arguments, and what is in /opt/ml/model at the end is the model. It writes a checkpoint after each epoch, and
continues from the last one if the job is interrupted or its process is lost.
"""

import argparse
import glob
import os
import warnings

import numpy as np
import pandas as pd
import torch
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=12)
parser.add_argument("--learning-rate", type=float, default=0.01)
parser.add_argument("--train", default=os.environ.get("SM_CHANNEL_TRAIN", "/opt/ml/input/data/train"))
parser.add_argument("--model-dir", default=os.environ.get("SM_MODEL_DIR", "/opt/ml/model"))
parser.add_argument("--checkpoints", default="/opt/ml/checkpoints")
arguments, _ = parser.parse_known_args()

torch.manual_seed(7)
torch.set_num_threads(int(os.environ.get("SM_NUM_CPUS", "1")))
rows = pd.concat(pd.read_csv(path) for path in sorted(glob.glob(os.path.join(arguments.train, "*.csv"))))
pixels = torch.from_numpy(rows.drop(columns="label").to_numpy(np.float32, copy=True))
labels = torch.from_numpy(rows["label"].to_numpy(np.int64, copy=True))
held_out = torch.arange(len(rows)) % 3 == 0
print(f"{int((~held_out).sum())} rows to train, {int(held_out.sum())} to validate", flush=True)


class Digits(nn.Module):
    """64 pixels from 0 to 16 become a label and the scores of all labels."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(256, 10))

    def forward(self, pixels):
        scores = self.layers(pixels.reshape(-1, 1, 8, 8) / 16)
        return scores.argmax(dim=1), scores


model = Digits()
optimizer = torch.optim.Adam(model.parameters(), lr=arguments.learning_rate)
checkpoint = os.path.join(arguments.checkpoints, "last.pt")
begun = 0
if os.path.exists(checkpoint):
    state = torch.load(checkpoint, weights_only=True)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    begun = state["epoch"]
    print(f"continues after epoch {begun}", flush=True)

for epoch in range(begun + 1, arguments.epochs + 1):
    model.train()
    for batch in torch.randperm(int((~held_out).sum())).split(32):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(pixels[~held_out][batch])[1], labels[~held_out][batch])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        accuracy = (model(pixels[held_out])[0] == labels[held_out]).float().mean().item()
    print(f"epoch={epoch} validation-accuracy={accuracy:.4f}", flush=True)
    if os.path.isdir(arguments.checkpoints):
        torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}, f"{checkpoint}.part")
        os.replace(f"{checkpoint}.part", checkpoint)

# The newer exporter (dynamo=True) needs onnxscript.
warnings.simplefilter("ignore", DeprecationWarning)
path = os.path.join(arguments.model_dir, "model.onnx")
names = {"input_names": ["pixels"], "output_names": ["label", "scores"]}
torch.onnx.export(model, (pixels[:2],), path, dynamo=False, dynamic_axes={name: {0: "rows"} for name in ["pixels", "label", "scores"]}, **names)
