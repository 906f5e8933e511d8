package xdomea

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"bestand/ingest/sip/container"
	"bestand/ingest/sip/finding"
	"bestand/ingest/xmltree"
)

const namespace = "urn:xoev-de:xdomea:schema:"

var versions = []string{"3.0.0", "3.1.0", "4.0.0"}

// Options say what is expected of a message. The zero Options expect nothing.
type Options struct {
	// Receivers are the names, short names or codes that this archive is addressed
	// by. Empty means that nobody looks.
	Receivers []string
	// Schemas validates the message; nil means that it is not validated.
	Schemas *Schemas
	// Scratch is a folder for the validation, absolute.
	Scratch string
}

type reader struct {
	Options
	c     *container.Container
	root  string // "" or "folder/"
	name  string // of the container, as sent
	found *finding.List
	msg   Message
	uuids map[string]bool
	used  map[*container.Entry]bool
	pads  map[string][]*container.Entry // names with blanks at their ends, without them; nil: not made yet
	weak  int                           // digests by MD5 or SHA-1
}

// Detect returns the folders, "" or with a slash, that hold a message.
func Detect(c *container.Container) ([]string, error) {
	var roots []string
	for _, e := range c.Entries {
		if strings.Count(e.Name, "/") > 1 {
			continue
		}
		is, err := isMessage(c, e)
		if err != nil {
			return nil, err
		}
		if root, _ := path.Split(e.Name); is && !slices.Contains(roots, root) {
			roots = append(roots, root)
		}
	}
	return roots, nil
}

// isMessage reports whether an entry is a message of any type and version.
func isMessage(c *container.Container, e *container.Entry) (bool, error) {
	if !strings.EqualFold(path.Ext(e.Name), ".xml") {
		return false, nil
	}
	in, err := c.Reader(e)
	if err != nil {
		return false, nil // Extract says why
	}
	defer in.Close()
	root, ok := xmltree.Peek(in)
	return ok && strings.HasPrefix(root.Name.Space, namespace), nil
}

// Read reads the message in the folder root of an unpacked container. name is
// what the sender called the container; it may be empty. The Message means
// nothing when found has failed; an error is a fault of the machine.
func Read(ctx context.Context, c *container.Container, root, name string, o Options, found *finding.List) (*Message, error) {
	r := &reader{Options: o, c: c, root: root, name: name, found: found, uuids: map[string]bool{}, used: map[*container.Entry]bool{}}
	for _, e := range c.Entries {
		if !utf8.ValidString(e.Name) {
			found.Fail(BadName, "xdomea", e.Name, "the name is not UTF-8; write the ZIP with UTF-8 names")
		}
	}
	if root != "" {
		found.Note(Loose, "xdomea", root, "the files lie in a folder; the standard has them at the top of the ZIP")
	}
	entry, err := r.choose()
	if err != nil || entry == nil {
		return nil, err
	}
	r.msg.Entry = entry
	r.used[entry] = true
	doc, err := r.parse(ctx, entry)
	if err != nil || doc == nil {
		return nil, err
	}
	prefix, ok, err := r.checkRoot(doc)
	if err != nil || !ok {
		return nil, err
	}
	if r.msg.Version == "4.0.0" {
		r.readHead4(doc)
		r.checkForm4(doc, prefix)
	} else {
		r.readHead3(doc)
	}
	r.checkHead()
	r.readBody(doc)
	if err := r.checkFiles(ctx); err != nil {
		return nil, fmt.Errorf("read xdomea: %w", err)
	}
	if r.Schemas != nil {
		if err := r.Schemas.validate(ctx, r.Scratch, &r.msg, found); err != nil {
			return nil, fmt.Errorf("read xdomea: %w", err)
		}
	}
	return &r.msg, nil
}

var messageName = regexp.MustCompile(`^(` + uuid + `)_(?:[A-Za-z.]+\.)?(0[0-9]{3})(?:_([0-9]{1,9}))?\.xml$`)

// choose finds the message among the XML files. Messages may themselves be
// files of a record: the one that is named as the standard wants it counts.
func (r *reader) choose() (*container.Entry, error) {
	var all, named []*container.Entry
	for _, e := range r.c.Entries {
		base, inside := strings.CutPrefix(e.Name, r.root)
		if !inside || strings.Contains(base, "/") {
			continue
		}
		is, err := isMessage(r.c, e)
		if err != nil {
			return nil, err
		}
		if !is {
			continue
		}
		all = append(all, e)
		if messageName.MatchString(base) {
			named = append(named, e)
		}
	}
	if len(named) == 0 {
		named = all
		if len(all) == 1 {
			r.found.Note(Loose, "xdomea", all[0].Name, "the message is not named ProzessID_Nachrichtentyp.xml")
		}
	}
	if len(named) != 1 {
		r.found.Fail(NoMessage, "xdomea", "", "%d files of the container could be the message; there must be one", len(named))
		return nil, nil
	}
	return named[0], nil
}

func (r *reader) parse(ctx context.Context, e *container.Entry) (*xmltree.Element, error) {
	if e.Path == "" {
		return nil, nil // damaged, which is a finding already
	}
	in, err := os.Open(e.Path)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	doc, err := xmltree.Parse(ctx, in, xmltree.Limits{}, skipped)
	var fault *xmltree.Fault
	if errors.As(err, &fault) {
		r.found.Fail(fault.Code, "", e.Name, "the message: %s", fault.Detail)
		return nil, nil
	}
	return doc, err
}

var rootName = regexp.MustCompile(`^[A-Za-z]+\.[A-Za-z]+\.(0[0-9]{3})$`)

// checkRoot reads version and type off the root element. ok is false when the
// message cannot be read.
func (r *reader) checkRoot(doc *xmltree.Element) (prefix string, ok bool, err error) {
	in, err := os.Open(r.msg.Entry.Path)
	if err != nil {
		return "", false, err
	}
	defer in.Close()
	start, _ := xmltree.Peek(in)
	r.msg.Version = strings.TrimPrefix(doc.Name.Space, namespace)
	if !slices.Contains(versions, r.msg.Version) {
		r.found.Fail(BadVersion, "xdomea", r.msg.Entry.Name, "version %s is not read here; read are %s", r.msg.Version, strings.Join(versions, ", "))
		return "", false, nil
	}
	if m := rootName.FindStringSubmatch(doc.Name.Local); m != nil {
		r.msg.Type = m[1]
	}
	if r.msg.Type != "0503" && r.msg.Type != "0701" {
		r.found.Fail(BadType, "xdomea", r.msg.Entry.Name, "%s hands no records over to an archive; taken are Aussonderung.Aussonderung.0503 and Zwischenarchivierung.Auslagerung.0701", doc.Name.Local)
		return "", false, nil
	}
	return start.Prefix, true, nil
}

// idName is the element that holds the UUID of an object.
func (r *reader) idName() string {
	if r.msg.Version == "4.0.0" {
		return "xdomeaUUID"
	}
	return "ID"
}

func (r *reader) checkUUID(o *Object) {
	switch {
	case !wholeUUID.MatchString(o.UUID):
		r.found.Fail(BadUUID, "xdomea 2.4", o.Position, "%s at %s has no valid %s", o.Kind, or(o.Position, "the top"), r.idName())
	case r.uuids[o.UUID]:
		r.found.Fail(BadUUID, "xdomea 2.4", o.UUID, "two objects of the message have this UUID")
	}
	r.uuids[o.UUID] = true
}

const maxRecords = 5000 // of one message: every one gets its excerpt

// readBody reads the objects and what comes with them.
func (r *reader) readBody(doc *xmltree.Element) {
	before := int64(0)
	for _, e := range doc.Children {
		switch whole := (span{e.Start, e.End}); e.Name.Local {
		case "Schriftgutobjekt":
			all := within(e, "")
			if len(all) != 1 {
				r.found.Fail(BadForm, "xdomea", strconv.Itoa(len(r.msg.Objects)+1), "a Schriftgutobjekt must hold one object, this one has %d", len(all))
			}
			for _, p := range all {
				o := r.object(p, nil, strconv.Itoa(len(r.msg.Objects)+1), 0)
				o.after = before
				r.msg.Objects = append(r.msg.Objects, o)
			}
		case "Anschreiben":
			letters := []part{{e, Dokument, whole}} // 3.x: it is a Dokument itself
			if e.One("Dokument") != nil || e.One("DokumentMitSchriftstueck") != nil {
				letters = parts(e)
			}
			for _, p := range letters {
				r.enclose(r.object(p, nil, "", 0))
			}
		}
		before = e.End
	}
	for _, e := range doc.All("Aktenplan/Aktenplandatei") {
		for _, p := range e.All("Primaerdokument") {
			r.msg.Enclosures = append(r.msg.Enclosures, r.primary(p, "")...)
		}
	}
	records := r.msg.Records()
	switch n := len(records); {
	case n == 0:
		r.found.Fail(NoRecord, "xdomea", r.msg.Entry.Name, "the message hands no object over")
	case n > maxRecords:
		r.found.Fail(TooMany, "xdomea", r.msg.Entry.Name, "the message hands %d records over; at most %d are taken of one message: divide it", n, maxRecords)
	}
	for _, o := range records {
		for up := o; up != nil && !up.held; up = up.Parent {
			up.held = true
		}
		r.checkRecord(o)
	}
}

func (r *reader) enclose(o *Object) {
	for _, p := range o.All() {
		r.msg.Enclosures = append(r.msg.Enclosures, p)
	}
}

// checkRecord looks for what should be there and is not, such as the file of an
// electronic Dokument, and for what a person should know before it is taken over.
func (r *reader) checkRecord(o *Object) {
	paper, classified := 0, ""
	for part := range o.Objects() {
		medium := part.Medium.Code
		switch {
		case medium == "002" || medium == "003":
			paper++
		case part.Kind != Dokument || part.carries():
		case medium == "001":
			r.found.Fail(NoFile, "xdomea", part.UUID, "the Dokument is electronic, and the message names no file of it")
		default:
			r.found.Note(NoFile, "xdomea", part.UUID, "the message names no file of the Dokument, and does not say that it is on paper")
		}
		if c := part.Confidentiality.Code; c != "" && c != "003" {
			classified = c
		}
	}
	if paper > 0 {
		r.found.Note(PaperPart, "xdomea", o.UUID, "%d parts of the %s are on paper, in whole or in part: that paper is not in this package", paper, o.Kind)
	}
	if classified != "" {
		r.found.Note(Classified, "xdomea", o.UUID, "the %s is marked as classified information (%s); make sure that this archive may hold it", o.Kind, classified)
	}
	if o.Disposal.Code == "V" && r.msg.Type == "0503" {
		r.found.Note(ForDestroying, "xdomea", o.UUID, "the %s is marked for destruction (V) and is handed over all the same", o.Kind)
	}
}
