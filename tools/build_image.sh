#!/usr/bin/env bash
# Builds an image with what the machine has. BASE is the base image, BUILD_BASE the one to build on (see the Dockerfile),
# IMAGE the name to give, TARGET a stage of the Dockerfile instead of the last one; BUILDER (docker, podman or buildah) chooses among several.
set -euo pipefail

cd "$(dirname "$0")/.."
if [[ -z ${BUILDER:-} ]]; then
  if docker info >/dev/null 2>&1; then
    BUILDER=docker
  elif command -v podman >/dev/null; then
    BUILDER=podman
  elif command -v buildah >/dev/null; then
    BUILDER=buildah
  else
    echo "make image: needs a docker engine, podman or buildah; none of them is here." >&2
    exit 1
  fi
fi
options=(--build-arg "BASE=$BASE" --build-arg "BUILD_BASE=$BUILD_BASE" -t "$IMAGE" ${TARGET:+--target "$TARGET"})
# Only buildah keeps no layers unless it is asked to.
[[ $BUILDER == buildah ]] && options+=(--layers)
"$BUILDER" build "${options[@]}" .
