package aip

import _ "embed"

// The two files that make a package explain itself (CSIP60, CSIP113): how to
// read it, and the one schema that is not kept by the Library of Congress.
// They are part of the format: another text is another golden digest.
var (
	//go:embed static/README.txt
	readme []byte
	//go:embed static/DILCISExtensionMETS.xsd
	csipSchema []byte
)

// ownPaths are the files of every package that are not files of the record, in
// the order of the ZIP, where they follow the record's files.
var ownPaths = []string{ReadmePath, SchemaPath, DCPath, RecordPath, PremisPath, MetsPath, SealPath}

// ownLimit is how long one of the package's own files may be.
func ownLimit(path string) int64 {
	switch path {
	case MetsPath:
		return maxMets
	case RecordPath:
		return maxRecord
	case PremisPath:
		return maxPremis
	}
	return maxSmall
}
