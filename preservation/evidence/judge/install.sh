#!/bin/sh
# Builds the foreign judges of the tests from Maven Central into a folder (default
# /usr/local/lib/bestand/judge). Safe to repeat: does nothing when the folder
# already holds what these sources and this Java make.
# Needs java, javac and mvn; the jars are checked against jars.sha256.
set -eu
src=$(cd "$(dirname "$0")" && pwd)
dest=${1:-/usr/local/lib/bestand/judge}

for tool in java javac mvn sha256sum; do
	command -v "$tool" >/dev/null || { echo "judge: $tool is missing (Debian: openjdk-17-jdk-headless maven)" >&2; exit 1; }
done

stamp=$( (cd "$src" && cat pom.xml ./*.java jars.sha256 install.sh; java -version 2>&1) | sha256sum | cut -d' ' -f1)
if [ "$(cat "$dest/stamp" 2>/dev/null)" = "$stamp" ]; then
	echo "judge: up to date in $dest"
	exit 0
fi

build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
echo "judge: building from Maven Central (about 25 MB the first time)"
mvn -q -B -ntp -f "$src/pom.xml" -Dbuild="$build" package >"$build/log" 2>&1 || {
	cat "$build/log" >&2
	echo "judge: Maven could not build the judges" >&2
	exit 1
}
(cd "$build/lib" && sha256sum --quiet -c "$src/jars.sha256") || {
	echo "judge: a jar is not the one that was pinned" >&2
	exit 1
}
if [ "$(ls "$build/lib" | wc -l)" -ne "$(($(wc -l <"$src/jars.sha256") + 1))" ]; then
	echo "judge: more jars than are pinned" >&2
	exit 1
fi

mkdir -p "$dest"
rm -rf "$dest/lib" "$dest/stamp"
cp -r "$build/lib" "$dest/lib"
chmod -R a+rX "$dest"
echo "$stamp" >"$dest/stamp"
echo "judge: installed in $dest"
