#!/usr/bin/env bash
# Makes a virtual environment that holds exactly what a lock file says: make_venv.sh FOLDER LOCK
# PYTHON chooses the interpreter. Debian's python3 comes without ensurepip: root gets the missing package installed.
set -euo pipefail

folder=$1
lock=$2
python=${PYTHON:-python3}

fail() {
  printf 'make venv: %s\n' "$@" >&2
  exit 1
}

command -v "$python" >/dev/null || fail "$python is not there. Install Python 3.10 or newer, or name it: make PYTHON=/path/to/python3"
"$python" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] < (3, 15))' ||
  fail "$("$python" --version 2>&1) cannot be used: Python 3.10 to 3.14 is needed. Name another: make PYTHON=/path/to/python3"

if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
  package=python3-venv
  # Another Python than the distribution's default has a package of its own.
  [[ $(basename "$python") =~ ^python3\.[0-9]+$ ]] && package=$(basename "$python")-venv
  install="apt-get update && apt-get install -y --no-install-recommends $package"
  command -v apt-get >/dev/null || fail "$python has no ensurepip module. Install the package of your system that holds it."
  [[ $(id -u) == 0 ]] || fail "$python has no ensurepip module. Install it, then run make again:" "  sudo sh -c '$install'"
  echo "installing $package, which $python needs to make a virtual environment" >&2
  apt-get update -qq >&2
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package" >&2
fi

echo "making $folder from $lock ($(grep -c '==' "$lock") packages)" >&2
rm -rf "$folder"
"$python" -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary :all: -r "$lock"
