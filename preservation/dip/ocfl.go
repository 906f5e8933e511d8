package dip

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strings"

	"bestand/preservation"
	"bestand/preservation/aip"
)

// OCFLType is the media type of an OCFL object in a ZIP.
const OCFLType = "application/zip"

// OCFLFolder is the root of an OCFL object.
func OCFLFolder(id preservation.RecordID) string { return string(id) + ".ocfl" }

// OCFL writes a record up to a version as OCFL 1.1 object in a ZIP: its versions are
// those of the record. Logical paths are those of a bag without data/: the files of
// the record under the names that the sender gave, what describes and proves a version
// below aip/, and names.json. Content has the neutral paths of the packages; bytes that
// an earlier version has, or another file, are stored once.
//
// Every inventory names the paths of all versions before it, so that those of many
// versions would outgrow what they describe. From where they do, versions before the
// newest have none of their own: they should, and need not (3.7).
func OCFL(ctx context.Context, w io.Writer, s Source) error {
	h, err := newShelf(s)
	if err != nil {
		return err
	}
	record := s.Package.Record()
	o := &ocfl{id: address(record.Tenant, "record", string(record.ID)), known: map[string]int{}}
	z := aip.NewZIP(w)
	folder := OCFLFolder(record.ID) + "/"
	if err := pack(ctx, z, folder, text("0=ocfl_object_1.1", "ocfl_object_1.1\n")); err != nil {
		return err
	}
	var inventory []item
	room := 50_000 // paths in all inventories of versions before the newest: some 15 MB
	for n := 1; n <= record.Version; n++ {
		v, err := h.volume(ctx, n)
		if err != nil {
			return err
		}
		content, err := o.add(v)
		if err != nil {
			return err
		}
		if err := pack(ctx, z, folder, content...); err != nil {
			return err
		}
		delete(h.volumes, n) // it is not needed any more
		if room -= o.paths; n < record.Version && room < 0 {
			continue
		}
		if inventory, err = o.inventory(); err != nil {
			return err
		}
		if err := pack(ctx, z, fmt.Sprintf("%sv%d/", folder, n), inventory...); err != nil {
			return err
		}
	}
	if err := pack(ctx, z, folder, inventory...); err != nil { // that of the newest version (3.5.4)
		return err
	}
	return z.Close()
}

// address is a URI for what has no other (3.5.1, 3.5.3.1).
func address(t preservation.TenantID, kind, name string) string {
	return fmt.Sprintf("urn:bestand:%s:%s:%s", t, kind, url.PathEscape(name))
}

// ocfl is an object that grows by one version after the other.
type ocfl struct {
	id       string
	known    map[string]int // SHA-512 of the content so far, with its place in content
	content  []aip.Entry    // each content once, Path within the object
	versions []ocflVersion
	paths    int // in the states of the versions so far
}

type ocflVersion struct {
	preservation.Record
	state []ocflPath
}

// ocflPath is a path with the place of its content.
type ocflPath struct {
	path    string
	content int
}

// add takes a version, and returns the content that is new in it.
func (o *ocfl) add(v *volume) ([]item, error) {
	record := v.Package.Record()
	files := place(record.Files)
	list, err := made(namesPath, names(files))
	if err != nil {
		return nil, err
	}
	own, err := v.own("aip/")
	if err != nil {
		return nil, err
	}
	own = append(own, list)
	stored := own
	for _, e := range v.entries {
		if e.File != "" {
			stored = append(stored, item{Entry: e, from: v}.at(e.Path))
		}
	}
	var content []item
	for _, i := range stored {
		if _, ok := o.known[i.SHA512]; !ok {
			o.known[i.SHA512] = len(o.content)
			i.Path = fmt.Sprintf("v%d/content/%s", record.Version, i.Path)
			content, o.content = append(content, i), append(o.content, i.Entry)
		}
	}
	state := make([]ocflPath, 0, len(files)+len(own))
	for _, f := range files {
		at, ok := o.known[f.SHA512]
		if !ok {
			return nil, fmt.Errorf("version %d, %s: %w", record.Version, f.File.Path, preservation.ErrCorrupt)
		}
		state = append(state, ocflPath{f.Path, at})
	}
	for _, i := range own {
		state = append(state, ocflPath{i.Path, o.known[i.SHA512]})
	}
	record.Files = nil // they can be many, and the state has what is needed of them
	o.versions, o.paths = append(o.versions, ocflVersion{record, state}), o.paths+len(state)
	return content, nil
}

// inventory is the inventory with the versions so far and its sidecar (3.5, 3.7).
func (o *ocfl) inventory() ([]item, error) {
	content, versions := o.content, o.versions
	short := func(i int) string { return content[i].SHA256 }
	long := func(i int) string { return content[i].SHA512 }
	manifest := make([]ocflPath, len(content))
	for i, e := range content {
		manifest[i] = ocflPath{e.Path, i}
	}
	i, err := made("inventory.json", func(w io.Writer) error {
		j := &jsonWriter{w: bufio.NewWriterSize(w, 64<<10)}
		j.text(`{"id":%s,"type":"https://ocfl.io/1.1/spec/#inventory","digestAlgorithm":"sha512","head":%s,"contentDirectory":"content",`+"\n", o.id, fmt.Sprintf("v%d", len(versions)))
		j.text(`"manifest":`)
		j.paths(manifest, long)
		j.text(`,` + "\n" + `"fixity":{"sha256":`)
		j.paths(manifest, short)
		j.text(`},` + "\n" + `"versions":{`)
		for n, v := range versions {
			if n > 0 {
				j.text(",\n")
			}
			j.text(`%s:{"created":%s,"message":%s,"user":{"name":%s,"address":%s},"state":`,
				fmt.Sprintf("v%d", n+1), stamp(v.Received), "Submission "+string(v.Submission), v.Producer, address(v.Tenant, "producer", v.Producer))
			j.paths(v.state, long)
			j.text(`}`)
		}
		j.text("}}\n")
		if j.err != nil {
			return j.err
		}
		return j.w.Flush()
	})
	return []item{i, text("inventory.json.sha512", i.SHA512+" inventory.json\n")}, err
}

// jsonWriter writes JSON. The first error stays.
type jsonWriter struct {
	w   *bufio.Writer
	err error
}

// text writes JSON; every %s in it becomes a string with its quotes.
func (j *jsonWriter) text(format string, values ...string) {
	args := make([]any, len(values))
	for i, v := range values {
		b, err := json.Marshal(v)
		if err != nil && j.err == nil {
			j.err = err
		}
		args[i] = b
	}
	if j.err == nil {
		_, j.err = fmt.Fprintf(j.w, format, args...)
	}
}

// paths writes an object of digests, each with the paths that have it.
func (j *jsonWriter) paths(all []ocflPath, digest func(content int) string) {
	same := make(map[int][]string, len(all))
	for _, p := range all {
		same[p.content] = append(same[p.content], p.path)
	}
	j.text("{")
	for i, p := range all {
		list := same[p.content]
		if list == nil {
			continue // written with the first
		}
		delete(same, p.content)
		if i > 0 {
			j.text(",\n")
		}
		j.text(`%s:[`+strings.TrimSuffix(strings.Repeat("%s,", len(list)), ",")+`]`, append([]string{digest(p.content)}, list...)...)
	}
	j.text("}")
}
