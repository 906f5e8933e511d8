#!/bin/sh
# Runs the suite of the object store against a MinIO, a test peer that is built
# from its Go module (AGPL; nothing of it becomes part of Bestand).
set -eu
cd "$(dirname "$0")/.."
version=v0.0.0-20260212201848-7aac2a2c5b7c
cache=${XDG_CACHE_HOME:-$HOME/.cache}/bestand
bin=$cache/minio-$version
if [ ! -x "$bin" ]; then
	echo "minio: building $version (some minutes the first time)"
	build=$(mktemp -d)
	trap 'rm -rf "$build"' EXIT
	mkdir -p "$cache"
	(cd "$build" && go mod init peer >/dev/null 2>&1 && go get "github.com/minio/minio@$version" && go build -o "$bin" github.com/minio/minio)
fi
port=${MINIO_PORT:-19000}
data=$(mktemp -d)
log=$data/log
MINIO_ROOT_USER=bestandtest MINIO_ROOT_PASSWORD=bestandtest-secret "$bin" server --quiet --address "127.0.0.1:$port" "$data/objects" >"$log" 2>&1 &
pid=$!
trap 'kill $pid 2>/dev/null; wait $pid 2>/dev/null; rm -rf "$data" "${build:-}"' EXIT
tries=0
until curl -fsS -o /dev/null "http://127.0.0.1:$port/minio/health/live" 2>/dev/null; do
	tries=$((tries + 1))
	if [ "$tries" -gt 100 ] || ! kill -0 $pid 2>/dev/null; then
		cat "$log" >&2
		echo "minio: it did not start on port $port" >&2
		exit 1
	fi
	sleep 0.2
done
BESTAND_TEST_S3="http://bestandtest:bestandtest-secret@127.0.0.1:$port" go test -count=1 -v -run MinIO ./preservation/s3
