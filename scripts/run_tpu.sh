#!/usr/bin/env bash
# Trains on every host of a Cloud TPU slice.
#
#   scripts/run_tpu.sh NAME ZONE --config=configs/dcgan_celeba.py --workdir=/mnt/shared/dcgan_celeba [--config.a.b=value]
#
# NAME and ZONE are those of the TPU VM. Each host gets a copy of this folder, a virtual environment, and runs the same command; JAX finds its peers
# by itself (--distributed=auto). Run it again to resume. The data set lies where `data.path` says, on every host (a mounted disk or a copy).
# Host 0 writes to --workdir: a disk that outlives the slice, if the run is to be resumed on another.
set -euo pipefail

if [ $# -lt 3 ]; then
  echo "usage: $0 NAME ZONE --config=configs/NAME.py --workdir=DIR [--config.a.b=value ...]" >&2
  exit 2
fi
name=$1 zone=$2
shift 2
command -v gcloud >/dev/null || { echo 'error: gcloud is not installed: see the Google Cloud CLI' >&2; exit 2; }
cd "$(dirname "$0")/.."

archive=$(mktemp --suffix=.tar.gz)
trap 'rm -f "$archive"' EXIT
git archive --format=tar.gz -o "$archive" HEAD

gcloud compute tpus tpu-vm scp "$archive" "$name:deconv.tar.gz" --zone="$zone" --worker=all
gcloud compute tpus tpu-vm ssh "$name" --zone="$zone" --worker=all --command="
  set -e
  mkdir -p deconv && tar -xzf deconv.tar.gz -C deconv && cd deconv
  python3 -m venv .venv && . .venv/bin/activate
  pip install -q -r requirements.txt 'jax[tpu]'
  python -m experiments.main --distributed=auto $(printf '%q ' "$@")"
