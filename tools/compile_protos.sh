#!/usr/bin/env bash
# Compiles protos/ to source_vitess/proto/; with --check, checks instead whether the committed code is what comes out.
# PYTHON is an interpreter with the grpcio-tools of requirements/proto.txt.
set -euo pipefail

cd "$(dirname "$0")/.."
out=.
if [[ ${1:-} == --check ]]; then
  out=$(mktemp -d)
  trap 'rm -rf "$out"' EXIT
fi

"$PYTHON" -W ignore -m grpc_tools.protoc --proto_path=protos --python_out="$out" --pyi_out="$out" \
  protos/source_vitess/proto/*.proto

if [[ $out != . ]]; then
  for made in "$out"/source_vitess/proto/*; do
    cmp -s "$made" "source_vitess/proto/$(basename "$made")" || {
      echo "source_vitess/proto/$(basename "$made") does not match protos/: run \`make proto\` and commit the result." >&2
      exit 1
    }
  done
  echo "Generated code is up to date: $(ls "$out"/source_vitess/proto | wc -l) files."
fi
