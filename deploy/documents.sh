#!/bin/sh
# Collects public documents for the campaign TestFaultDocuments (cmd/bestand):
# the test documents that well-known packages carry, at pinned versions, with
# the ordinary clients of their registries. Nothing of it becomes part of
# Bestand. Safe to repeat; what is there is not fetched again.
#
#     make documents DIR=/var/tmp/documents
#     BESTAND_FAULT=1 BESTAND_DOCUMENTS=/var/tmp/documents BESTAND_DOCUMENTS_EVERY=4 go test -count=1 -v -timeout 3h -run TestFaultDocuments ./cmd/bestand
set -euf
to=${1:-${DIR:-}}
[ -n "$to" ] || { echo "documents: say where to: make documents DIR=…" >&2; exit 1; }
mkdir -p "$to"
to=$(cd "$to" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/bestand/documents
mkdir -p "$cache"

# take SOURCE FOLDER PATTERN…: copies files below the folder whose path matches
# into SOURCE, under names that still tell where they come from. Files that
# another source brought, byte for byte, are left out.
take() {
	source=$1 folder=$2
	shift 2
	mkdir -p "$to/$source"
	for pattern in "$@"; do
		find "$folder" -type f -size -4096k -path "$folder/$pattern" | sort | while read -r file; do
			sum=$(sha256sum <"$file" | cut -d' ' -f1)
			! grep -qs "^$sum" "$to/.taken" || continue
			name=$(printf %s "${file#"$folder"/}" | tr '/ ' '__')
			cp "$file" "$to/$source/$name" && chmod 0644 "$to/$source/$name"
			echo "$sum $source/$name" >>"$to/.taken"
		done
	done
	echo "documents: $source: $(find "$to/$source" -type f | wc -l)"
}

# module MODULE@VERSION: prints the folder of a Go module.
module() {
	[ -f "$cache/go.mod" ] || printf 'module documents\n' >"$cache/go.mod"
	(cd "$cache" && GOFLAGS=-mod=mod go mod download -json "$1") | sed -n 's/^\t"Dir": "\(.*\)",*$/\1/p'
}

# sdist NAME VERSION: prints the folder of an unpacked source package from PyPI.
sdist() {
	folder=$cache/$1-$2
	if [ ! -d "$folder" ]; then
		rm -rf "$folder.new" && mkdir "$folder.new"
		pip download --quiet --disable-pip-version-check --no-deps --no-binary :all: --dest "$folder.new" "$1==$2" >&2
		archive=$(find "$folder.new" -type f)
		case $archive in
		*.zip) unzip -q "$archive" -d "$folder.new" ;;
		*) tar -xzf "$archive" -C "$folder.new" ;;
		esac
		rm "$archive"
		mv "$folder.new" "$folder"
	fi
	find "$folder" -mindepth 1 -maxdepth 1 -type d
}

# jar GROUP:NAME:VERSION:jar[:CLASSIFIER] FILE: prints the path of a file from Maven Central.
jar() {
	[ -f "$cache/$2" ] || mvn -q -B dependency:copy "-Dartifact=$1" "-DoutputDirectory=$cache" >&2
	echo "$cache/$2"
}

# Office, mail, HTML, images and much that nobody converts.
tika=2.9.2
for part in microsoft miscoffice pdf mail text html image; do
	file=$(jar "org.apache.tika:tika-parser-$part-module:$tika:jar:tests" "tika-parser-$part-module-$tika-tests.jar")
	folder=$cache/tika-$part-$tika
	[ -d "$folder" ] || unzip -q "$file" 'test-documents/*' -d "$folder"
	take "tika-$part" "$folder/test-documents" '*'
done
# The second reader, by which the campaign checks renditions.
cp "$(jar "org.apache.tika:tika-app:$tika:jar" "tika-app-$tika.jar")" "$to/.tika-app.jar"

take python-docx "$(sdist python-docx 1.1.2)" 'features/steps/test_files/*.docx' 'tests/test_files/*.docx'
take python-pptx "$(sdist python-pptx 1.0.2)" 'features/steps/test_files/[cmst][hlsx][ptl]-*.pptx' 'tests/test_files/*.pptx'
take odfpy "$(sdist odfpy 1.4.1)" 'tests/examples/*.od?'
take ezodf "$(sdist ezodf 0.3.2)" 'tests/data/*.od?'
take pyexcel-ods "$(sdist pyexcel-ods 0.6.0)" 'tests/fixtures/*.ods'
take oletools "$(sdist oletools 0.60.2)" 'tests/test-data/*'
take excelize "$(module github.com/xuri/excelize/v2@v2.9.0)" 'test/*.xls?'
take xlsx "$(module github.com/tealeg/xlsx/v3@v3.3.13)" 'testdocs/*.xlsx'
take xls "$(module github.com/extrame/xls@v0.0.1)" '*.xls'

take pikepdf "$(sdist pikepdf 9.4.0)" 'tests/resources/*.pdf'
take ocrmypdf "$(sdist ocrmypdf 16.5.0)" 'tests/resources/*'
pdfcpu=$(module github.com/pdfcpu/pdfcpu@v0.15.0)
take pdfcpu "$pdfcpu/pkg" 'testdata/*.pdf' 'testdata/*.PDF' 'samples/annotations/*' 'samples/signatures/*.pdf' 'samples/form/demoSinglePage/*' \
	'samples/form/fill/*' 'samples/form/primitives/*' 'samples/fonts/user/*' 'samples/create/*.pdf' 'samples/bookmarks/*' 'samples/stamp/mixed/*'
take pdfsign "$(module github.com/digitorus/pdfsign@v1.0.0-rc1)" 'testfiles/*.pdf'

take enmime "$(module github.com/jhillyerd/enmime/v2@v2.3.0)" 'testdata/mail/*' 'testdata/attach/*' 'testdata/low-quality/*'
chardet=$(sdist chardet 5.2.0)
set -- # one text of each character set
for charset in $(find "$chardet/tests" -mindepth 1 -maxdepth 1 -type d | sort); do
	first=$(find "$charset" -type f | sort | head -n 1)
	set -- "$@" "${first#"$chardet"/}"
done
take chardet "$chardet" "$@"
take charset-normalizer "$(sdist charset-normalizer 3.4.0)" 'data/*'

take pillow "$(sdist pillow 11.0.0)" 'Tests/images/bmp/[gb]/*.bmp' 'Tests/images/*.webp' 'Tests/images/[a-h]*.gif' 'Tests/images/[a-p]*.tif' \
	'Tests/images/t*.tif' 'Tests/images/[c-i]*.jpg' 'Tests/images/p*.png' 'Tests/images/*.ico'
take x-image "$(module golang.org/x/image@v0.44.0)" 'testdata/*.tiff' 'testdata/*.webp' 'testdata/*.bmp'
take goexif "$(module github.com/rwcarlsen/goexif@v0.0.0-20190401172101-9e8deecbddbd)" 'exif/sample1.jpg' 'exif/samples/[fh]*.jpg' 'exif/samples/201[23]*.jpg'
take siegfried "$(module github.com/richardlehane/siegfried@v1.11.4)" 'cmd/sf/testdata/benchmark/*' 'cmd/sf/testdata/skeleton-suite/x-fmt/*.pdf' \
	'cmd/sf/testdata/skeleton-suite/x-fmt/*.doc' 'cmd/sf/testdata/skeleton-suite/containers/*.doc*'

echo "documents: $(wc -l <"$to/.taken") in $to"
