"""Writes `layers/`, three layers in TorchScript and a function that calls them, into the folder that is its argument."""

import os
import sys

import torch

FUNCTION = '''import torch


def load(folder):
    return torch.jit.load(folder / "layers.pt")


def predict(model, x: "float64[n,30]") -> "float64[n,2]":
    with torch.no_grad():
        return model(torch.from_numpy(x).float()).double().numpy()
'''

path = os.path.join(sys.argv[1], "layers")
os.mkdir(path)
torch.manual_seed(1)
layers = torch.nn.Sequential(
    torch.nn.Linear(30, 64), torch.nn.ReLU(), torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 2), torch.nn.Softmax(1)
)
torch.jit.script(layers).save(os.path.join(path, "layers.pt"))
with open(os.path.join(path, "model.py"), "w") as file:
    file.write(FUNCTION)
