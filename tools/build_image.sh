#!/usr/bin/env bash
# Builds the image with what the machine has. BASE is the base image, IMAGE the name to give.
set -euo pipefail

cd "$(dirname "$0")/.."
build=(--build-arg "BASE=$BASE" -t "$IMAGE" .)
if docker info >/dev/null 2>&1; then
  docker build "${build[@]}"
elif command -v podman >/dev/null; then
  podman build "${build[@]}"
elif command -v buildah >/dev/null; then
  buildah bud "${build[@]}"
else
  echo "make image: needs a docker engine, podman or buildah; none of them is here." >&2
  exit 1
fi
