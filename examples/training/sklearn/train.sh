#!/bin/sh
# From a script and a CSV file to predictions: train, approve, deploy, call, train again, clean up.
# PENSTOCK_URL and PENSTOCK_KEY say which server; without them it is the one on this machine, which needs no key.
# It needs the environment sklearn: `penstock environments create sklearn`.
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

train() {
  steady train "$here/train.py" --group digits-sklearn --data "$rows" --metric 'accuracy=validation-accuracy=([0-9.]+)' "$@"
}

echo '-- train'
train --hyperparameter max-depth=3
echo '-- again, with deeper trees: the next version, approved because it is better'
train --hyperparameter max-depth=10 --approve-if-better accuracy
echo '-- what the script printed'
steady training logs digits-sklearn-2
echo '-- deploy it, and call it: the first three digits'
steady deploy digits-sklearn/2 digits-sklearn --objective 'p95<=50ms' | sed 's/: call it.*//; /was measured on a busy machine/d'
steady invoke digits-sklearn --file "$rows" --label label | head -n 3 | cut -d, -f1
echo '-- the same code and data make the same bytes'
steady reproduce digits-sklearn/2
echo '-- clean up'
steady delete digits-sklearn
for job in digits-sklearn-1 digits-sklearn-2 digits-sklearn-2-again-1; do steady training delete $job; done
