package dip

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"
	"unicode"

	"bestand/preservation"
	"bestand/preservation/aip"
)

// BagItType is the media type of a bag in a ZIP.
const BagItType = "application/zip"

// BagItFolder is the folder of a bag. The ZIP should have its name (RFC 8493, 4.2).
func BagItFolder(id preservation.RecordID) string { return string(id) + ".bagit" }

// BagIt writes a version as bag (RFC 8493) in a ZIP. The payload are the files of the
// record, also those that earlier versions hold, in a folder for each representation
// and under the names that the sender gave. Tag files are what describes and proves
// it, below aip/ with the paths of the package, and names.json.
func BagIt(ctx context.Context, w io.Writer, s Source) error {
	h, err := newShelf(s)
	if err != nil {
		return err
	}
	record := s.Package.Record()
	files := place(record.Files)
	payload := make([]item, len(files))
	var octets int64
	for i, f := range files {
		from, err := h.file(ctx, f.File)
		if err != nil {
			return err
		}
		files[i].Path = "data/" + f.Path
		payload[i] = from.at(files[i].Path)
		octets += f.Size
	}
	list, err := made(namesPath, names(files))
	if err != nil {
		return err
	}
	own, err := h.newest.own("aip/")
	if err != nil {
		return err
	}
	tags := append([]item{
		text("bagit.txt", "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"),
		text("bag-info.txt", bagInfo(s, record, octets, len(payload))),
		list,
	}, own...)
	for _, kind := range []struct {
		name string
		of   *[]item
	}{{"manifest", &payload}, {"tagmanifest", &tags}} {
		short, err := made(kind.name+"-sha256.txt", manifest(*kind.of, func(d preservation.Digests) string { return d.SHA256 }))
		if err != nil {
			return err
		}
		long, err := made(kind.name+"-sha512.txt", manifest(*kind.of, func(d preservation.Digests) string { return d.SHA512 }))
		if err != nil {
			return err
		}
		tags = append(tags[:len(tags):len(tags)], short, long)
	}
	z := aip.NewZIP(w)
	if err := pack(ctx, z, BagItFolder(record.ID)+"/", tags...); err != nil {
		return err
	}
	if err := pack(ctx, z, BagItFolder(record.ID)+"/", payload...); err != nil {
		return err
	}
	return z.Close()
}

// manifest lists digests (RFC 8493, 2.1.3). No path has a character that would have to
// be escaped.
func manifest(items []item, digest func(preservation.Digests) string) func(io.Writer) error {
	return func(w io.Writer) error {
		b := bufio.NewWriter(w)
		for _, i := range items {
			fmt.Fprintf(b, "%s  %s\n", digest(i.Digests), i.Path) // Flush has the error
		}
		return b.Flush()
	}
}

// bagInfo is bag-info.txt (RFC 8493, 2.2.2). The archive is the organisation that
// transfers, and the record its own identifier there; the reserved elements say
// nothing of a file plan, so that others follow.
func bagInfo(s Source, r preservation.Record, octets int64, files int) string {
	class, received := s.class()
	var b strings.Builder
	for _, f := range [][2]string{
		{"Source-Organization", s.Archive},
		{"External-Identifier", string(r.ID)},
		{"External-Description", r.Title},
		{"Bagging-Date", s.At.Format("2006-01-02")},
		{"Bag-Size", fmt.Sprintf("%d bytes", octets)},
		{"Payload-Oxum", fmt.Sprintf("%d.%d", octets, files)},
		{"Bag-Software-Agent", s.Agent.Name + " " + s.Agent.Version},
		{"Internal-Sender-Identifier", fmt.Sprintf("%s, version %d", r.ID, r.Version)},
		{"Title", r.Title},
		{"Reference", r.Reference},
		{"Class", class},
		{"Class-As-Received", received},
		{"Kind", r.Kind},
		{"Creator", r.Creator},
		{"Opened", r.Opened.String()},
		{"Closed", r.Closed.String()},
		{"Confidentiality", r.Confidentiality},
		{"Producer", r.Producer},
		{"Producer-Record-ID", r.ProducerRecordID},
		{"Keep-Until", s.Until.String()},
	} {
		if value := oneLine(f[1]); value != "" {
			b.WriteString(f[0] + ": " + value + "\n")
		}
	}
	return b.String()
}

// oneLine makes one line of a text.
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
}
