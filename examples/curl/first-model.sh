#!/bin/sh
# From a model file to predictions with nothing but curl: register, approve, deploy, call, clean up.
# PENSTOCK_URL and PENSTOCK_KEY say which server; without them it is the one on this machine, which needs no key.
set -eu

url=${PENSTOCK_URL:-http://127.0.0.1:8080}
assets=$(dirname "$0")/../../assets/catalogue

# Shows what the server said, also when it refused. A server on loopback wants no key; with an empty one it would.
call() {
  if [ -n "${PENSTOCK_KEY:-}" ]; then set -- -H "Authorization: Bearer $PENSTOCK_KEY" "$@"; fi
  curl --silent --show-error --write-out '\n' "$@"
}

# One field of a JSON object, without a JSON tool: good for the flat answers here, not for any JSON.
field() {
  sed "s/.*\"$1\":\"\{0,1\}\([^\",}]*\).*/\1/"
}

echo '-- register the file; the answer says what a worker read from it'
call --data-binary "@$assets/iris_rf.onnx" -H 'Content-Type: application/octet-stream' \
  "$url/api/v1/groups/curl-iris/versions?name=iris_rf.onnx&reuse=true" |
  sed 's/.*"signature":\(.*\),"opsets".*/\1/'

echo '-- approve version 1'
call --json '{"approval":"Approved","note":"tried by hand"}' \
  "$url/api/v1/groups/curl-iris/versions/1/approval" | field approval

echo '-- deploy it with a promise, and wait until it answers'
call --json '{"name":"curl-iris","variants":[{"model":"curl-iris/1"}],"objective":"p95<=50ms"}' \
  "$url/api/v1/endpoints" | field objective
tries=0
until call --fail "$url/v2/models/curl-iris/ready" >/dev/null 2>&1; do
  tries=$((tries + 1))
  if [ "$tries" -gt 100 ]; then echo "$url does not bring it into service" >&2; exit 1; fi
  sleep 0.2
done

echo '-- two flowers by the Open Inference Protocol'
call --json '{"inputs":[{"name":"features","shape":[2,4],"datatype":"FP32","data":[[5.1,3.4,1.5,0.2],[6.7,3.0,5.2,2.3]]}]}' \
  "$url/v2/models/curl-iris/infer"

echo '-- three lines of a CSV file, by the native API'
head -n 4 "$assets/iris_test.csv" | call --data-binary @- -H 'Content-Type: text/csv' \
  "$url/api/v1/endpoints/curl-iris/invoke?label=label"

echo '-- one value too few: refused with status 400 and what to do'
call --write-out '\n%{http_code}\n' --json '{"instances":[[5.1,3.4,1.5]]}' "$url/api/v1/endpoints/curl-iris/invoke" |
  sed 's/,"request_id":"[^"]*"//'

echo '-- clean up'
call --output /dev/null --write-out '%{http_code}\n' --request DELETE "$url/api/v1/endpoints/curl-iris"
