#!/bin/sh
# From a PyTorch script and a CSV file to predictions: train, approve, deploy, call, clean up.
# PENSTOCK_URL and PENSTOCK_KEY say which server; without them it is the one on this machine, which needs no key.
# It needs the environment pytorch: `penstock environments create pytorch`.
set -eu
here=$(dirname "$0")
penstock=$here/../../../bin/penstock
rows=$here/../../../assets/catalogue/digits_test.csv

log=$(mktemp)
trap 'rm -f "$log"' EXIT

# Progress goes to stderr: it is shown if the command fails. Times, costs and sums differ from run to run.
steady() {
  "$penstock" "$@" 2>"$log" >"$log.out" || { cat "$log" >&2; exit 1; }
  sed -E 's/completed in [0-9.]+ m?s, \$[0-9.]+/completed/; s/ \([0-9.]+ [KM]iB, md5 [0-9a-f]+\)//' "$log.out"
  rm -f "$log.out"
}

echo '-- train, approve if it is better than the version before'
steady train "$here/train.py" --environment pytorch --group digits-pytorch --data "$rows" --hyperparameter epochs=12 \
  --metric 'accuracy=validation-accuracy=([0-9.]+)' --approve-if-better accuracy
echo '-- what the script printed'
steady training logs digits-pytorch-1 | grep -v Warning
echo '-- deploy it, and call it: the first three digits'
steady deploy digits-pytorch/1 digits-pytorch --objective 'p95<=50ms' | sed 's/: call it.*//; /was measured on a busy machine/d'
steady invoke digits-pytorch --file "$rows" --label label | head -n 3 | cut -d, -f1
echo '-- clean up'
steady delete digits-pytorch
steady training delete digits-pytorch-1
