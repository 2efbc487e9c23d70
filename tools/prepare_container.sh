#!/usr/bin/env bash
# Builds the images without a Docker engine and without a registry of images: with Debian's buildah, on a base that
# debootstrap makes from the machine's own mirror. Needs root, and installs the two if they are missing.
# BASE, BUILD_BASE, IMAGE and DESTINATION are the names to give. The bases stay in buildah's storage, so only the first run makes them.
set -euo pipefail

cd "$(dirname "$0")/.."
fail() {
  echo "$1" >&2
  exit 1
}

[[ $(uname -s) == Linux && -e /etc/debian_version ]] || fail "the container's tests need Debian or Ubuntu"
[[ $(id -u) == 0 ]] || fail "the container's tests need root, to make namespaces and a base image"
command -v apt-get >/dev/null || fail "the container's tests need apt-get"
unshare --mount --pid --fork sh -c 'mount -t tmpfs tmpfs /mnt && chroot --userspec=1000:1000 / true' 2>/dev/null ||
  fail "this machine does not let root make namespaces and mount in them (unshare)"

missing=()
for tool in buildah debootstrap; do
  command -v "$tool" >/dev/null || missing+=("$tool")
done
if ((${#missing[@]})); then
  apt-get update -qq >&2 || fail "apt-get update failed"
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2 ||
    fail "apt-get could not install ${missing[*]}"
fi

export BUILDAH_ISOLATION=chroot

make_base() { # NAME PACKAGES
  buildah inspect --type image "$1" >/dev/null 2>&1 && return
  local codename mirror root container
  # shellcheck source=/dev/null
  codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
  mirror=$(apt-get indextargets --format '$(REPO_URI)' "Codename: $codename" 'Created-By: Packages' | head -1)
  [[ -n $mirror ]] || fail "apt's sources name no mirror of $codename"
  root=$(mktemp -d)
  # shellcheck disable=SC2064 # the folder of this call
  trap "rm -rf '$root'" EXIT
  debootstrap --variant=minbase --include="$2" "$codename" "$root" "$mirror" >&2 ||
    fail "debootstrap could not make a base of $codename"
  rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/usr/share/{doc,man,locale,info}/*
  # What pip needs here to reach its registry: the machine's certificates and settings.
  cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
  printf '[global]\ncert = /etc/ssl/certs/ca-certificates.crt\n' >"$root/etc/pip.conf"
  [[ -e /etc/pip.conf ]] && cp /etc/pip.conf "$root/etc/pip.conf"
  container=$(buildah from scratch) || fail "buildah cannot make a container"
  buildah add --quiet "$container" "$root" / >/dev/null
  buildah config --cmd /bin/sh "$container"
  buildah commit --quiet --rm "$container" "$1" >/dev/null || fail "buildah cannot commit an image"
  rm -rf "$root"
}

make_base "$BASE" python3,python3-venv,ca-certificates
make_base "$BUILD_BASE" python3,python3-venv,ca-certificates,gcc,libc6-dev,python3-dev
BUILDER=buildah bash tools/build_image.sh >&2 || fail "buildah could not build the image"
BUILDER=buildah IMAGE=$DESTINATION TARGET=destination-readyset bash tools/build_image.sh >&2 ||
  fail "buildah could not build the destination's image"
