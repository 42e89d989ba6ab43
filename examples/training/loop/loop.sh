#!/bin/sh
# The closed loop: a model of few rows is deployed, more rows arrive, and the next run replaces it because a test proves it better.
# PENSTOCK_URL and PENSTOCK_KEY say which server; without them it is the one on this machine. Training needs only python3.
set -eu
here=$(dirname "$0")
penstock=$here/../../../bin/penstock
digits=$here/../../../assets/catalogue/digits_test.csv
eval "$("$penstock" env)"

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# Progress goes to stderr: it is shown if the command fails. Times and p-values differ in their last digits.
steady() {
  "$penstock" "$@" 2>"$folder/log" >"$folder/out" || { cat "$folder/log" >&2; exit 1; }
  cat "$folder/out"
}

put() {
  curl -sSf -o /dev/null --aws-sigv4 "aws:amz:$AWS_DEFAULT_REGION:s3" --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" \
    -X PUT ${2:+-T "$2"} "$AWS_ENDPOINT_URL/$1"
}

head -n 41 "$digits" >"$folder/monday.csv"
{ head -n 1 "$digits"; sed -n '42,301p' "$digits"; } >"$folder/tuesday.csv"
{ head -n 1 "$digits"; sed -n '302,$p' "$digits"; } >"$folder/holdout.csv"

echo '-- 40 rows to train, and 150 that judge'
put loop
put loop/train/monday.csv "$folder/monday.csv"
put loop/holdout.csv "$folder/holdout.csv"
echo '-- what the file would do'
steady pipeline plan "$here/loop.yaml"
echo '-- apply it, and run it: the first version'
steady pipeline apply "$here/loop.yaml" | head -n 1 | sed 's/, next run.*//'
steady pipeline run digits-loop
echo '-- 260 more rows: better by the test, so it is rolled out'
put loop/train/tuesday.csv "$folder/tuesday.csv"
steady pipeline run digits-loop
echo '-- one epoch alone: the test does not prove it better, so an approver decides'
steady pipeline run digits-loop --parameter epochs=1
echo '-- the runs'
steady pipeline runs digits-loop --output json | tr ',' '\n' | grep -E '"(number|verdict)":' | tr -d ' "[{'
echo '-- clean up'
steady delete written
steady pipeline delete digits-loop
