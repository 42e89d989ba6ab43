"""Trains a classifier of the digits, as a user's script does: SageMaker's variables, argparse, scikit-learn."""

import argparse
import os

import joblib
import pandas
from sklearn.linear_model import LogisticRegression


def rows(channel):
    frame = pandas.read_csv(os.path.join(os.environ["SM_CHANNEL_" + channel.upper()], "rows.csv"))
    return frame.drop(columns="label").to_numpy(), frame["label"].to_numpy()


def model_fn(model_dir):
    return joblib.load(os.path.join(model_dir, "model.joblib"))


# An endpoint imports this file for its model_fn.
if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("-C", "--C", type=float, default=1.0)  # SDK 2 has one hyphen before one letter, SDK 3 two
    parser.add_argument("--shuffled", type=lambda text: text == "True", default=False)
    args = parser.parse_args()
    train, labels = rows("train")
    model = LogisticRegression(C=args.C, max_iter=2000).fit(train, labels)
    print(f"train-accuracy={model.score(train, labels):.4f}")
    print(f"validation-accuracy={model.score(*rows('validation')):.4f} shuffled={args.shuffled}")
    joblib.dump(model, os.path.join(os.environ["SM_MODEL_DIR"], "model.joblib"))
