#!/usr/bin/env bash
# An engine (docker or podman) that can run containers here, and base images for it, for the image's test and its bench:
#   settings=$(test/image/engine.sh) && eval "$settings" && npm test -- test/image
# Prints variables to export; or says why there are none, and fails. Arguments such as PLAIN_IMAGE=docker.io/library/node:22-slim
# are base images wanted beside those of worker/Dockerfile.
#
# Where no registry can be reached, it makes stand-ins for the base images from what they are made of: Debian's packages
# (mmdebstrap, as root), and Node and npm from npm's registry. They are tagged localhost/stand-in-for/…, never as the real ones.
set -euo pipefail
cd "$(dirname "$0")/../.."
say() { echo "image: $*" >&2; }

engine=${ELASTIC_WORKERS_TEST_IMAGE:-}
for candidate in docker podman; do
  if [ -z "$engine" ] && "$candidate" info >/dev/null 2>&1; then engine=$candidate; fi
done
[ -n "$engine" ] || { say 'neither docker nor podman answers on this machine.'; exit 1; }

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# Node of a major version and npm on a slim Debian, with the authorities this machine trusts.
make_node() {
  local node="node-linux-$(node -p process.arch)" to=$folder/$1/node_modules
  npm install --no-save --ignore-scripts --prefix "$folder/$1" "$node@$1" npm@10 &&
    mmdebstrap --variant=minbase --include=ca-certificates --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr \
      --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
      --customize-hook="cp $to/$node/bin/node \"\$1/usr/local/bin/\"" \
      --customize-hook="mkdir \"\$1/usr/local/lib/node_modules\" && cp -r $to/npm \"\$1/usr/local/lib/node_modules/\"" \
      --customize-hook='ln -s ../lib/node_modules/npm/bin/npm-cli.js "$1/usr/local/bin/npm"' \
      --customize-hook='cp /etc/ssl/certs/ca-certificates.crt "$1/etc/ssl/certs/"' bookworm "$folder/root.tar" &&
    "$engine" import --change 'ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt' "$folder/root.tar" "$2"
}

# Packages that are unpacked and nothing more: glibc and what C++ needs, without a shell.
make_cc() {
  mmdebstrap --variant=extract --include=base-files,netbase,tzdata,libc6,libssl3,libgomp1,libstdc++6,ca-certificates \
    --customize-hook='rm -r "$1"/usr/bin/* "$1"/usr/sbin/* "$1"/usr/share/doc/* "$1"/usr/share/man/*' \
    --customize-hook='cp /etc/ssl/certs/ca-certificates.crt "$1/etc/ssl/certs/"' bookworm "$folder/root.tar" &&
    "$engine" import "$folder/root.tar" "$1"
}

make() {
  say "makes $base"
  "$@" >"$folder/log" 2>&1 || { tail -n 20 "$folder/log" >&2; say "could not make $base."; exit 1; }
}

reachable=yes
has() { "$engine" image inspect "$1" >/dev/null 2>&1; }
pull() {
  [ "$reachable" = yes ] || return 1
  if timeout 90 "$engine" pull -q "$1" >/dev/null 2>"$folder/pull"; then return; fi
  reachable=no
  say "cannot pull $1: $(tail -n 1 "$folder/pull")"
  return 1
}

# Sets `base` to the image itself, or to what stands for it.
find_base() {
  base=$1
  if has "$base" || pull "$base"; then return; fi
  base=localhost/stand-in-for/${1##*/}
  if has "$base"; then return; fi
  command -v mmdebstrap >/dev/null || { say "there is no mmdebstrap to make a stand-in for $1 with."; exit 1; }
  case $1 in
    */node:*) major=${1##*:}; make make_node "${major%%-*}" "$base" ;;
    */cc-debian12:*) make make_cc "$base" ;;
    *) say "there is no stand-in for $1: give --build-arg in ELASTIC_WORKERS_TEST_IMAGE_BUILD."; exit 1 ;;
  esac
}

arguments=${ELASTIC_WORKERS_TEST_IMAGE_BUILD:-}
for wanted in $(sed -n 's/^ARG \(.*_IMAGE=\)/\1/p' worker/Dockerfile) "$@"; do
  if [[ $arguments == *"${wanted%%=*}="* ]]; then continue; fi
  find_base "${wanted#*=}"
  arguments+=" --build-arg ${wanted%%=*}=$base"
done

# podman as it is installed asks for more than a machine without systemd, or one that is a container itself, can give.
modest_podman() {
  mkdir -p .local
  cat >.local/containers.conf.$$ <<END
[containers]
netns = "host"
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
END
  mv .local/containers.conf.$$ .local/containers.conf
  export CONTAINERS_CONF=$PWD/.local/containers.conf BUILDAH_ISOLATION=chroot
}
runs() { "$engine" run --rm "$base" node --version >/dev/null 2>"$folder/run"; }

base=${arguments##*NODE_IMAGE=}
base=${base%% *}
if ! runs && [ "$engine" = podman ]; then
  say "podman as it is: $(tail -n 1 "$folder/run")"
  modest_podman
fi
runs || { say "$engine runs no container: $(tail -n 1 "$folder/run")"; exit 1; }

print() { echo "export $1='$2'"; }
print ELASTIC_WORKERS_TEST_IMAGE "$engine"
print ELASTIC_WORKERS_TEST_IMAGE_BUILD "${arguments# }"
if [ -n "${BUILDAH_ISOLATION:-}" ]; then
  print CONTAINERS_CONF "$CONTAINERS_CONF"
  print BUILDAH_ISOLATION "$BUILDAH_ISOLATION"
fi
