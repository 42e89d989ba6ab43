#!/bin/sh
# A smoke test of the chart on a real Kubernetes cluster, for a person who has one. It installs PostgreSQL for the trial in a namespace of
# its own, then the chart, deploys a model, calls it through the service, deletes the pod of the home, and calls it again. It removes the
# namespace at the end unless KEEP=1. No continuous integration runs it, and nothing here claims that it passed: record your output with
# the date, `kubectl version` and the version of the chart.
#
#     IMAGE=registry.internal/penstock TAG=0.1.0 deploy/smoke.sh
#
# Needs: kubectl with a context that may create namespaces, helm, openssl, a default storage class, the image in a registry that the
# cluster can reach, and an image of PostgreSQL (POSTGRES_IMAGE, default postgres:17).
set -eu
cd "$(dirname "$0")/.."

: "${IMAGE:?the image of Penstock without its tag}"
: "${TAG:?the tag of the image}"
namespace=${NAMESPACE:-penstock-smoke}
postgres=${POSTGRES_IMAGE:-postgres:17}
kube() { kubectl --namespace "$namespace" "$@"; }
say() { printf '\n== %s\n' "$*"; }

cleanup() {
  if [ "${KEEP:-0}" = 1 ]; then echo "kept: namespace $namespace"; else kubectl delete namespace "$namespace" --wait=false; fi
}
trap cleanup EXIT

say "namespace $namespace, PostgreSQL, secrets"
kubectl create namespace "$namespace"
kube create deployment postgres --image="$postgres" --port=5432
kube set env deployment/postgres POSTGRES_USER=penstock POSTGRES_PASSWORD=smoke >/dev/null
kube expose deployment postgres --port=5432
kube rollout status deployment/postgres --timeout=180s
kube create secret generic penstock-database --from-literal=url="postgres://penstock:smoke@postgres.$namespace.svc/penstock"
kube create secret generic penstock-cluster-key --from-literal=key="$(openssl rand -base64 32)"

say "chart: three nodes, two hosts"
helm install penstock deploy/helm/penstock --namespace "$namespace" --set image.repository="$IMAGE" --set image.tag="$TAG" \
  --set tls.mode=self-signed --set nodes.storage.size=5Gi \
  --set nodes.resources.requests.cpu=500m --set nodes.resources.requests.memory=1Gi \
  --set 'hosts.pools[0].name=smoke' --set 'hosts.pools[0].replicas=2' --set 'hosts.pools[0].cpus=1' --set 'hosts.pools[0].memoryMiB=1024'
kube rollout status statefulset/penstock-node --timeout=300s

say "join token"
home() {
  kube exec penstock-node-0 -- penstock cluster status --output json | tr -d ' \n' | tr '{' '\n' |
    sed -n 's/.*"name":"\([^"]*\)","state":"serves".*/\1/p'
}
on_home() { kube exec "$(home)" -- env NODE_TLS_REJECT_UNAUTHORIZED=0 penstock "$@"; }
token=$(on_home cluster token create --uses 2 --output json | sed -n 's/.*"token": *"\([^"]*\)".*/\1/p')
kube create secret generic penstock-join-token --from-literal=token="$token"
kube rollout status statefulset/penstock-host-smoke --timeout=300s
on_home cluster hosts

say "a model, called through the service"
on_home register /opt/penstock/lib/node_modules/penstock/assets/catalogue/digits_mlp.onnx --group digits
on_home approve digits/1 --note smoke
on_home deploy digits/1 digits
key=$(on_home env | sed -n "s/^export PENSTOCK_KEY='\{0,1\}\([^']*\)'\{0,1\}$/\1/p")
kube run client --image="$IMAGE:$TAG" --env=PENSTOCK_URL="https://penstock.$namespace.svc" --env=PENSTOCK_KEY="$key" \
  --env=NODE_TLS_REJECT_UNAUTHORIZED=0 --command -- sleep 3600
kube wait pod/client --for=condition=Ready --timeout=120s
row="[[$(printf '0,%.0s' $(seq 63))0]]"
call() { kube exec client -- penstock invoke digits --data "$row"; }
call

before=$(home)
say "the home is $before: its pod is deleted"
kube delete pod "$before" --grace-period=0 --force
call
after=$(home)
echo "the home is $after"
[ "$after" != "$before" ]

say "rolling restart, calls meanwhile"
kube rollout restart statefulset/penstock-node
failed=0
while ! kube rollout status statefulset/penstock-node --timeout=1s >/dev/null 2>&1; do call >/dev/null || failed=$((failed + 1)); done
echo "failed calls: $failed"
kube exec penstock-node-0 -- penstock cluster status
say "passed: chart $(sed -n 's/^version: //p' deploy/helm/penstock/Chart.yaml), $(kubectl version | tr '\n' ' '), $(date -u +%Y-%m-%d)"
