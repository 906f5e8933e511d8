package aip

import (
	"bytes"
	"hash/crc32"
	"testing"

	"bestand/preservation"
)

// Part is a file that Zip puts into a ZIP of this format.
type Part struct {
	Path    string
	Content []byte
}

// Zip writes a well-formed ZIP of any files, so that tests can forge what is in it.
func Zip(t testing.TB, root string, parts []Part) []byte {
	var b bytes.Buffer
	z := newZipWriter(&b, root)
	for _, p := range parts {
		if err := z.begin(Entry{Path: p.Path, Size: int64(len(p.Content)), CRC32: crc32.ChecksumIEEE(p.Content)}); err != nil {
			t.Fatal(err)
		}
		z.Write(p.Content)
	}
	if err := z.finish(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// ReadOwnPremis is readOwnPremis, the events of it.
func ReadOwnPremis(doc []byte, record preservation.RecordID) ([]preservation.Event, bool) {
	facts, ok := readOwnPremis(doc, record)
	if !ok {
		return nil, false
	}
	return facts.events, true
}

// ReadPremis is readPremis, the events of it.
func ReadPremis(doc []byte, record preservation.RecordID) ([]preservation.Event, error) {
	facts, err := readPremis(bytes.NewReader(doc), record, nil)
	if err != nil {
		return nil, err
	}
	return facts.events, nil
}
