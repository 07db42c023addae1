#!/usr/bin/env bash
# Verifies a pack whose code may be hostile, in a container that can reach nothing:
#
#     docker/verify.sh entry.zip --steps=200
#
# What follows the pack are flags of `algoperf-lite verify`. ENGINE (docker, or podman), IMAGE,
# LIMIT_S, MEMORY and CPUS may be set in the environment. docs/board.md says what this does not stop.
set -euo pipefail
engine=${ENGINE:-docker} image=${IMAGE:-algoperf-lite} limit=${LIMIT_S:-3600}
memory=${MEMORY:-8g} cpus=${CPUS:-2}

if [[ $# -eq 0 || ! -f $1 ]]; then
  echo "verify.sh: give a pack, then flags of verify" >&2
  exit 2
fi
pack=$(realpath -- "$1")
shift
if [[ $pack == *[,\"]* ]]; then
  echo "verify.sh: a path with a comma or a quote cannot be mounted; rename the pack" >&2
  exit 2
fi

name=algoperf-lite-verify-$$
trap '"$engine" rm --force "$name" >/dev/null 2>&1 || true' EXIT
# Memory and swap are one number, so there is no swap; a log of the output would fill the disk. What
# comes out may hold anything: no control characters reach the terminal, and no more than 1 MB.
timeout --kill-after=10 "$limit" "$engine" run --rm --init --name="$name" --pull=never \
  --network=none --read-only --cap-drop=ALL --security-opt=no-new-privileges \
  --user=65534:65534 --ipc=private --log-driver=none \
  --memory="$memory" --memory-swap="$memory" --cpus="$cpus" --pids-limit=512 \
  --ulimit=nofile=4096:4096 --ulimit=core=0:0 --tmpfs=/tmp:rw,noexec,nosuid,nodev,size=2g \
  --mount="type=bind,source=$pack,target=/pack/entry.zip,readonly" \
  "$image" verify /pack/entry.zip "$@" 2>&1 </dev/null |
  LC_ALL=C tr -d '\000-\010\013-\037\177' | head -c 1000000
