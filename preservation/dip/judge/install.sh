#!/bin/sh
# Installs the judge of bags, bagit.py of the Library of Congress, from PyPI into a
# folder (default /usr/local/lib/bestand/bagit). For the tests; no part of the program.
# Safe to repeat. Needs Debian's python3 with pip and pkg_resources.
set -eu
src=$(cd "$(dirname "$0")" && pwd)
dest=${1:-/usr/local/lib/bestand/bagit}
python=/usr/bin/python3

"$python" -c 'import pip, pkg_resources' 2>/dev/null || {
	echo "bagit: pip or pkg_resources is missing (Debian: python3-pip python3-pkg-resources)" >&2
	exit 1
}
stamp=$(cat "$src/requirements.txt" "$src/install.sh" | sha256sum | cut -d' ' -f1)
if [ "$(cat "$dest/stamp" 2>/dev/null)" = "$stamp" ]; then
	echo "bagit: up to date in $dest"
	exit 0
fi
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
"$python" -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-deps --only-binary :all: --require-hashes \
	--target "$build/bagit" -r "$src/requirements.txt"
mkdir -p "$(dirname "$dest")"
rm -rf "$dest"
cp -r "$build/bagit" "$dest"
chmod -R a+rX "$dest"
echo "$stamp" >"$dest/stamp"
echo "bagit: installed in $dest"
