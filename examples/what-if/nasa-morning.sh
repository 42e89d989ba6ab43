#!/bin/sh
# What would other scaling policies have cost, and kept? Replays two hours of a web server of 1995, forty times as busy, request by
# request, under four policies. The nine days before are history, for the forecast. Needs no server; the same bytes each time.
set -eu
here=$(dirname "$0")
penstock=$here/../../bin/penstock
trace=$here/../../test/traces/nasa_http_1995_per_minute.csv

log=$(mktemp)
trap 'rm -f "$log"' EXIT
"$penstock" simulate --trace "$trace" --scale 40 --from 13560 --slots 120 --objective 'p99.8<=500ms' \
  --policy 'static;target-tracking;hpa:70+overflow;economic' "$@" 2>"$log" || {
  cat "$log" >&2
  exit 1
}
