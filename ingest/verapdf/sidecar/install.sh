#!/bin/sh
# Builds the veraPDF sidecar from Maven Central into a folder (default
# /usr/local/lib/bestand/verapdf). Safe to repeat: does nothing when the folder
# already holds what these sources and this Java make.
# Needs java, javac and mvn; the jars are checked against jars.sha256.
set -eu
src=$(cd "$(dirname "$0")" && pwd)
dest=${1:-/usr/local/lib/bestand/verapdf}

for tool in java javac mvn sha256sum; do
	command -v "$tool" >/dev/null || { echo "verapdf: $tool is missing (Debian: openjdk-17-jdk-headless maven)" >&2; exit 1; }
done

stamp=$( (cd "$src" && cat pom.xml Sidecar.java jars.sha256 install.sh training.pdf; java -version 2>&1; echo "$dest") | sha256sum | cut -d' ' -f1)
if [ -f "$dest/sidecar.args" ] && [ "$(cat "$dest/stamp" 2>/dev/null)" = "$stamp" ]; then
	echo "verapdf: up to date in $dest"
	exit 0
fi

build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
echo "verapdf: building from Maven Central (about 16 MB the first time)"
mvn -q -B -ntp -f "$src/pom.xml" -Dbuild="$build" package >"$build/log" 2>&1 || {
	cat "$build/log" >&2
	echo "verapdf: Maven could not build the sidecar" >&2
	exit 1
}
(cd "$build/lib" && sha256sum --quiet -c "$src/jars.sha256") || {
	echo "verapdf: a jar is not the one that was pinned" >&2
	exit 1
}
if [ "$(ls "$build/lib" | wc -l)" -ne "$(($(wc -l <"$src/jars.sha256") + 1))" ]; then
	echo "verapdf: more jars than are pinned" >&2
	exit 1
fi

mkdir -p "$dest"
rm -rf "$dest/lib" "$dest/sidecar.args" "$dest/stamp" "$dest/sidecar.jsa"
cp -r "$build/lib" "$dest/lib"
chmod -R a+rX "$dest"

# The class archive (AppCDS) cuts the start from about 2 s to under 1 s. It is
# bound to these paths and this Java, so it is made in place.
classpath=$(printf '%s\n' "$dest"/lib/*.jar | LC_ALL=C sort | paste -sd:)
flags="-Xmx512m -Xss4m -XX:+UseSerialGC -XX:-UsePerfData -XX:+ExitOnOutOfMemoryError -Djava.awt.headless=true"
answer=$(printf '{"path":"%s","flavour":""}\n' "$src/training.pdf" |
	java $flags -Xlog:disable -XX:ArchiveClassesAtExit="$dest/sidecar.jsa" -cp "$classpath" Sidecar | tail -n 1)
case $answer in
*'"valid":true'*) ;;
*)
	echo "verapdf: the sidecar does not find its test file valid: $answer" >&2
	exit 1
	;;
esac
{
	printf '%s\n' $flags "-Xlog:disable" "-XX:SharedArchiveFile=$dest/sidecar.jsa" -cp "$classpath" Sidecar
} >"$dest/sidecar.args"
chmod -R a+rX "$dest"
echo "$stamp" >"$dest/stamp"
echo "verapdf: installed in $dest"
