#!/usr/bin/env bash
# The Kubernetes manifest against the API's schemas; then the Dockerfile's steps and its server in a debootstrap root, for
# which no container engine is needed. That part is skipped where debootstrap or namespaces do not work.
set -euo pipefail
cd "$(dirname "$0")/../.."

.venv/bin/pip install -q 'kubernetes-validate>=1.30'
.venv/bin/kubernetes-validate --strict deploy/kubernetes.yaml

skip() {
  echo "skipped: $*"
  exit 0
}
[ "$(id -u)" -eq 0 ] || skip "a debootstrap root needs the user root"
unshare --mount --pid --fork true 2>/dev/null || skip "this machine permits no namespaces"
.ci/need debootstrap=debootstrap curl=curl openssl=openssl setpriv=util-linux || skip "debootstrap cannot be installed"

root=$(mktemp -d)
chmod 755 "$root" # the image's user enters it
trap 'umount "$root/proc" 2>/dev/null || true; rm -rf --one-file-system "$root" "$root.log"' EXIT
# Debian 13, as python:3.13-slim
timeout 900 debootstrap --variant=minbase --include=python3,python3-pip,ca-certificates trixie "$root" \
  "${DEBIAN_MIRROR:-http://deb.debian.org/debian}" >"$root.log" 2>&1 || skip "debootstrap fails: $(tail -1 "$root.log")"
cp /etc/resolv.conf "$root/etc/"
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/" # with the authorities of this machine's proxy, if it has one
mount --bind /proc "$root/proc"
timeout 2400 python3 .ci/image.py "$root"
