#!/bin/sh
# Starts Bestand on this machine with everything embedded, archives the sample
# records and says where to look. Running it again finds what is there.
# "run.sh stop" ends it.
set -eu
cd "$(dirname "$0")/.."
data=${BESTAND_DATA:-$PWD/data}
listen=${BESTAND_LISTEN:-127.0.0.1:8080}
url=http://$listen
pidfile=$data/bestand.pid

running() {
	[ -f "$pidfile" ] && pid=$(cat "$pidfile") && [ -r "/proc/$pid/cmdline" ] && tr '\0' ' ' <"/proc/$pid/cmdline" | grep -q 'bestand serve'
}

if [ "${1:-}" = stop ]; then
	if running; then
		pid=$(cat "$pidfile")
		kill "$pid"
		while kill -0 "$pid" 2>/dev/null; do sleep 0.2; done
		echo "run: stopped"
	else
		echo "run: not running"
	fi
	rm -f "$pidfile"
	exit 0
fi

umask 077 # what the archive keeps is for its own user
mkdir -p "$data"
if running; then
	echo "run: already running with pid $(cat "$pidfile")"
else
	if curl -fsS -o /dev/null "$url/livez" 2>/dev/null; then
		echo "run: something else answers on $listen; stop it or set BESTAND_LISTEN" >&2
		exit 1
	fi
	echo "run: starting on $listen, data in $data, log in $data/bestand.log"
	setsid nohup bin/bestand serve --data "$data" --listen "$listen" >/dev/null 2>>"$data/bestand.log" </dev/null &
	echo $! >"$pidfile"
fi

tries=0
until curl -fsS -o /dev/null "$url/readyz" 2>/dev/null; do
	if ! kill -0 "$(cat "$pidfile")" 2>/dev/null; then # what was just started need not have its name yet
		tail -n 15 "$data/bestand.log" >&2
		echo "run: it did not start; the log above says why" >&2
		exit 1
	fi
	tries=$((tries + 1))
	if [ "$tries" -gt 300 ]; then
		echo "run: not ready after a minute; see $data/bestand.log" >&2
		exit 1
	fi
	sleep 0.2
done

token=$data/initial-admin-token
echo "run: archiving the sample records"
bin/bestand ingest --server "$url" --token-file "$token" --producer samples --class 63.10 --wait --receipts "$data/receipts" testdata/samples/*/

cat <<TXT

Bestand runs at $url
  open it in a browser; the first time: user admin, password in $data/initial-admin-password
  programs send the token in $token
  find a record:
    curl -H "Authorization: Bearer \$(cat $token)" "$url/v1/records?q=Genehmigung"
  the API is described at $url/openapi.json; what is installed: bin/bestand doctor
  stop it: make stop
TXT
