#!/usr/bin/env bash
# Runs script/bootstrap --tests twice in a Debian with nothing but the base system:
#   unshare --mount in_fresh_debian.sh RELEASE DIRECTORY
#
# Lent from outside, as they are no packages of Debian: the Rust toolchain, names and certificates of the network, and
# pip's settings. What is mounted goes with the namespace.
set -euo pipefail
release=$1 root=$2/root
project=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

mmdebstrap --quiet --variant=minbase --aptopt='Acquire::Retries "3"' "$release" "$root"
mkdir "$root/project" "$root/opt/rust"
mount -t proc proc "$root/proc"
mount --bind "$(rustc --print sysroot)" "$root/opt/rust"
cp --dereference /etc/resolv.conf "$root/etc/resolv.conf"
cp /etc/ssl/certs/ca-certificates.crt "$root/opt/certificates"
cp -r "$project/script" "$project/rust-toolchain.toml" "$root/project"

fresh=(chroot "$root" env -i HOME=/root "PATH=/opt/rust/bin:/usr/sbin:/usr/bin:/sbin:/bin" PIP_CERT=/opt/certificates)
"${fresh[@]}" /project/script/bootstrap --tests
for program in cc c++ make pkg-config curl setpriv java mvn; do
    "${fresh[@]}" sh -c "command -v $program" >/dev/null || { echo "bootstrap left $program out"; exit 1; }
done
# Once all is there, there is nothing to say.
again=$("${fresh[@]}" /project/script/bootstrap --tests)
[[ -z $again ]] || { echo "a second run found something to do: $again"; exit 1; }
