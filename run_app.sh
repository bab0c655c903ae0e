#!/usr/bin/env bash
# Starts OrbitVids: a coordinator, five storage nodes and a transcode worker on this machine. README.md lists the variables.
#   ./run_app.sh            with the Node that package-lock.json pins (Node >= 20 and npm install it)
#   ./run_app.sh --sample-catalog   fills an empty catalog with 3,200 movies; on a terminal it asks
#   ./run_app.sh --docker   the same with Docker Compose
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

if [[ ${1:-} == --docker ]]; then
  if [[ -z ${CLUSTER_SECRET:-} ]]; then
    mkdir -p data
    [[ -s data/cluster-secret ]] || (umask 077 && head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n' >data/cluster-secret)
    CLUSTER_SECRET=$(<data/cluster-secret)
    export CLUSTER_SECRET
  fi
  exec docker compose up --build
fi

# The stamp is the lock file that the installed packages belong to.
stamp=node_modules/.orbitvids-lock
if ! cmp -s package-lock.json "$stamp" || [[ ! -x node_modules/.bin/node ]]; then
  echo 'Installing packages ...'
  npm ci --no-audit --no-fund --loglevel=error
  cp package-lock.json "$stamp"
fi

node_modules/.bin/node scripts/build-web.ts --if-stale

exec node_modules/.bin/node scripts/run-app.ts "$@"
