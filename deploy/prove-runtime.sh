#!/usr/bin/env bash
# Checks that the release program runs with only the packages of Dockerfile.gpu's last stage, in a chroot.
# For machines without a container engine. Needs root, debootstrap and a Debian mirror.
#
#   cargo build --release --locked --features turbo && deploy/prove-runtime.sh [PROGRAM] [ROOT]
#
# ROOT is created if it does not exist and kept for the next run; the default is a temporary folder, removed at the end.
set -euo pipefail
cd "$(dirname "$0")/.."
program=${1:-target/release/tenter}
root=${2:-}
if [ -z "$root" ]; then
    root=$(mktemp -d)
    trap 'rm -rf "$root"' EXIT
fi

# From the last stage: its Debian release, the packages between `install` and the next command, its environment and user.
stage=$(awk '/^FROM /{ text = "" } { text = text $0 "\n" } END { printf "%s", text }' Dockerfile.gpu)
release=$(sed -n 's/^FROM debian:\([a-z]*\)-slim$/\1/p' <<<"$stage")
packages=$(awk '/apt-get install/{ on = 1; next } on && /&&/{ exit } on { sub(/\\$/, ""); print $1 }' <<<"$stage" | paste -sd,)
environment=$(awk '/^ENV /{ on = 1; sub(/^ENV /, "") } on { more = sub(/\\$/, ""); print; on = more }' <<<"$stage" | xargs -n1)
user=$(sed -n 's/^USER //p' <<<"$stage")
[ -n "$release" ] && [ -n "$packages" ] && [ -n "$user" ]
echo "root: $release with $packages; as $user"

if [ ! -e "$root/usr" ]; then
    mkdir -p "$root"
    chmod 755 "$root"
    debootstrap --variant=minbase --include="$packages" "$release" "$root" >"$root.log" 2>&1 || { tail -5 "$root.log"; exit 1; }
fi
install -D -m 755 "$program" "$root/usr/local/bin/tenter"
install -D -m 644 deploy/nvidia-egl.json "$root/usr/local/share/tenter/nvidia-egl.json"
install -d -o "${user%:*}" -g "${user#*:}" "$root/var/lib/tenter" "$root/tmp/proof"
install -m 644 examples/social-post.json "$root/tmp/proof/"

# shellcheck disable=SC2206 # one variable a line, none with spaces
inside=(chroot --userspec="$user" "$root" env -i PATH=/usr/local/bin:/usr/bin HOME=/var/lib/tenter $environment)

echo "== what the program links"
"${inside[@]}" ldd /usr/local/bin/tenter
echo "== tenter doctor"
"${inside[@]}" TENTER_KEYS=proof=0123456789abcdef0123456789abcdef tenter doctor
echo "== tenter render"
"${inside[@]}" tenter render /tmp/proof/social-post.json -o /tmp/proof/social-post.png
"${inside[@]}" tenter render /tmp/proof/social-post.json -o /tmp/proof/social-post.jpg
cmp "$root/tmp/proof/social-post.png" <("$program" render examples/social-post.json -o - --options '{"format": "png"}')
echo "the same bytes inside and outside: $(wc -c <"$root/tmp/proof/social-post.png") bytes of PNG"
echo "== tenter serve, health, stop"
listen=TENTER_LISTEN=127.0.0.1:18080
"${inside[@]}" $listen tenter serve &
server=$!
for _ in $(seq 100); do
    "${inside[@]}" $listen tenter health 2>/dev/null && break
    sleep 0.1
done
"${inside[@]}" $listen tenter health
kill -TERM "$server"
wait "$server"
echo "proved"
