#!/bin/sh
# Installs what Bestand runs beside itself on Debian 12: the converters from
# Debian's packages, pinned to the versions that were tested, and from Maven Central
# the veraPDF sidecar and the foreign judges of the tests. Safe to repeat; does
# nothing where nothing is missing. bestand doctor says what is lost without each part.
set -euf
cd "$(dirname "$0")/.."

# package=version; * stands for Debian's own security updates of that release.
packages='
libreoffice-writer=4:7.4.7* libreoffice-calc=4:7.4.7* libreoffice-impress=4:7.4.7* libreoffice-draw=4:7.4.7*
ghostscript=10.0.0* qpdf=11.3.0* poppler-utils=22.12.0* libxml2-utils=2.9.14*
chromium-headless-shell=* bubblewrap=0.8.0* libemail-outlook-message-perl=0.921*
tesseract-ocr=5.3.0* tesseract-ocr-deu=1:4.1.0* clamav-daemon=1.4* clamav=1.4*
fonts-liberation=* fonts-dejavu=* fonts-crosextra-carlito=* fonts-crosextra-caladea=* fonts-noto-cjk=*
openjdk-17-jdk-headless=17.* maven=3.8.7* openssl=3.* unzip=* curl=*
gcc=4:12.2.0* libc6-dev=2.36* softhsm2=2.6.1*
python3-pip=23.0.1* python3-pkg-resources=66.1.1*
'

missing=''
for p in $packages; do
	name=${p%%=*}
	dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null | grep -qx installed || missing="$missing $p"
done

if [ -n "$missing" ]; then
	command -v apt-get >/dev/null || {
		echo "setup: this is no Debian; install these by hand, then see bestand doctor:$missing" >&2
		exit 1
	}
	sudo=''
	if [ "$(id -u)" -ne 0 ]; then
		command -v sudo >/dev/null || { echo "setup: run as root, or install sudo; missing:$missing" >&2; exit 1; }
		sudo=sudo
	fi
	echo "setup: installing$missing"
	log=$(mktemp)
	$sudo apt-get update -qq >"$log" 2>&1 || { cat "$log" >&2; echo "setup: apt-get update failed" >&2; exit 1; }
	# clamd must not start by itself: Bestand uses it when it is told to (--clamd).
	if ! $sudo env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends $missing >"$log" 2>&1; then
		tail -n 20 "$log" >&2
		echo "setup: apt-get could not install the packages above" >&2
		exit 1
	fi
	rm -f "$log"
fi

# What Debian has not: veraPDF beside the program, and the judges of the tests.
built=/usr/local/lib/bestand
for part in verapdf=ingest/verapdf/sidecar judge=preservation/evidence/judge bagit=preservation/dip/judge; do
	if [ "$(id -u)" -ne 0 ] && [ ! -w "$built" ] && command -v sudo >/dev/null; then
		sudo sh "${part#*=}/install.sh" "$built/${part%%=*}"
	else
		sh "${part#*=}/install.sh" "$built/${part%%=*}"
	fi
done
echo "setup: complete"
