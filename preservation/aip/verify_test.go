package aip_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"

	"bestand/preservation/aip"
)

// TestVerifyFindsChanges flips one byte in each part of a package.
func TestVerifyFindsChanges(t *testing.T) {
	p, _ := sample()
	good, m := pack(t, p)
	flip := func(path string, within int64) []byte {
		e, ok := m.Entry(path)
		if !ok {
			t.Fatalf("no %s", path)
		}
		c := slices.Clone(good)
		c[e.Offset+within] ^= 1
		return c
	}
	for name, c := range map[string]struct {
		zip  []byte
		want []string
	}{
		"original":     {flip("representations/original/data/f0001.docx", 3), []string{aip.CodeDigest}},
		"rendition":    {flip("representations/preservation/data/f0002.pdf", 3), []string{aip.CodeDigest}},
		"readme":       {flip(aip.ReadmePath, 3), []string{aip.CodeDigest}},
		"dublin core":  {flip(aip.DCPath, 90), []string{aip.CodeDigest}},
		"premis":       {flip(aip.PremisPath, 500), []string{aip.CodeDigest}},
		"mets":         {flip(aip.MetsPath, 600), []string{aip.CodeDigest, "seal-invalid"}},
		"seal":         {flip(aip.SealPath, 20), []string{aip.CodeDigest, "seal-invalid"}},
		"local header": {flip(aip.ReadmePath, -5), []string{aip.CodeHeader}},
	} {
		t.Run(name, func(t *testing.T) {
			got := codes(verify(t, c.zip))
			for _, want := range c.want {
				if !slices.Contains(got, want) {
					t.Errorf("findings %v, want %s", got, want)
				}
			}
			if slices.Contains(got, aip.CodeIntact) {
				t.Errorf("findings %v", got)
			}
		})
	}
	t.Run("every change is found", func(t *testing.T) {
		c := slices.Clone(good)
		for _, path := range []string{"representations/original/data/f0001.docx", "representations/preservation/data/f0002.pdf", aip.ReadmePath} {
			e, _ := m.Entry(path)
			c[e.Offset] ^= 1
		}
		subjects := map[string]bool{}
		for _, f := range verify(t, c) {
			subjects[f.Subject] = true
		}
		if !subjects["representations/original/data/f0001.docx"] || !subjects["representations/preservation/data/f0002.pdf"] || !subjects[aip.ReadmePath] {
			t.Errorf("findings %v", verify(t, c))
		}
	})
	t.Run("any byte", func(t *testing.T) {
		directory := bytes.Index(good, []byte("PK\x01\x02"))
		for i := 0; i < len(good); i++ {
			if i > 100 && i < directory {
				i += 40 // of the content a sample, of the headers all
			}
			c := slices.Clone(good)
			c[i] ^= 0x20
			if got := codes(verify(t, c)); slices.Contains(got, aip.CodeIntact) {
				t.Fatalf("byte %d changed and not found: %v", i, got)
			}
		}
	})
}

// forge writes a package in which a file was changed after METS was made.
func forge(t *testing.T, change func(path string, content []byte) (string, []byte)) []byte {
	t.Helper()
	p, _ := sample()
	content, m := pack(t, p)
	var parts []aip.Part
	for _, e := range m.Entries {
		path, body := change(e.Path, slices.Clone(content[e.Offset:e.Offset+e.Size]))
		if path != "" {
			parts = append(parts, aip.Part{Path: path, Content: body})
		}
	}
	return aip.Zip(t, string(m.Record), parts)
}

func TestVerifyForged(t *testing.T) {
	replace := func(path, from, to string) func(string, []byte) (string, []byte) {
		return func(p string, b []byte) (string, []byte) {
			if p != path {
				return p, b
			}
			c := bytes.ReplaceAll(b, []byte(from), []byte(to))
			if bytes.Equal(b, c) {
				t.Fatalf("%s lacks %q", path, from)
			}
			return p, c
		}
	}
	rename := func(path, to string) func(string, []byte) (string, []byte) {
		return func(p string, b []byte) (string, []byte) {
			if p == path {
				p = to
			}
			return p, b
		}
	}
	const pdf = "representations/preservation/data/f0002.pdf"
	for name, c := range map[string]struct {
		change func(string, []byte) (string, []byte)
		want   []string
	}{
		"missing file":     {rename(pdf, ""), []string{aip.CodeMissing}},
		"renamed file":     {rename(pdf, "representations/preservation/data/f0009.pdf"), []string{aip.CodeMissing, aip.CodeSurplus}},
		"missing METS":     {rename(aip.MetsPath, ""), []string{aip.CodeMissing}},
		"missing PREMIS":   {rename(aip.PremisPath, ""), []string{aip.CodeMissing}},
		"missing record":   {rename(aip.RecordPath, ""), []string{aip.CodeRecord, aip.CodeMissing}},
		"missing seal":     {rename(aip.SealPath, ""), []string{aip.CodeSealMissing}},
		"surplus file":     {rename(aip.ReadmePath, "documentation/OTHER.txt"), []string{aip.CodeSurplus, aip.CodeMissing}},
		"longer file":      {replace(pdf, "%PDF", "%PDFPDF"), []string{aip.CodeSize, aip.CodeDigest}},
		"other record":     {replace(aip.RecordPath, `"id":"01jx5m3v8k4q7r2t9w6y0z1abc"`, `"id":"01jx5m3v8k4q7r2t9w6y0z1abx"`), []string{aip.CodeRoot, aip.CodePremisMismatch}},
		"other version":    {replace(aip.RecordPath, `"version":1,`, `"version":2,`), []string{aip.CodeMetsMismatch}},
		"file taken out":   {replace(aip.RecordPath, `"id":"f0003","representation":"original"`, `"id":"f0004","representation":"original"`), []string{aip.CodeRecord}},
		"later format":     {replace(aip.RecordPath, aip.Format, "bestand-aip/2"), []string{aip.CodeRecord}},
		"METS of another":  {replace(aip.MetsPath, `OBJID="01jx5m3v8k4q7r2t9w6y0z1abc"`, `OBJID="01jx5m3v8k4q7r2t9w6y0z1abx"`), []string{aip.CodeRoot, "seal-invalid"}},
		"METS with a DTD":  {replace(aip.MetsPath, `<mets `, `<!DOCTYPE mets><mets `), []string{aip.CodeMets}},
		"PREMIS size":      {replace(aip.PremisPath, `<size>30</size>`, `<size>31</size>`), []string{aip.CodePremisMismatch}},
		"PREMIS SHA-512":   {replace(aip.PremisPath, digests(nil).SHA512, digests([]byte("x")).SHA512), []string{aip.CodePremisMismatch}},
		"PREMIS name":      {replace(aip.PremisPath, `bauantrag.DOCX`, `steuer.DOCX`), []string{aip.CodePremisMismatch}},
		"PREMIS file gone": {replace(aip.PremisPath, `abc/f0003</objectIdentifierValue>`, `abc/f0004</objectIdentifierValue>`), []string{aip.CodePremisMismatch}},
		"PREMIS broken":    {replace(aip.PremisPath, `</premis>`, `</premise>`), []string{aip.CodePremis}},
		"PREMIS with DTD":  {replace(aip.PremisPath, `<premis `, `<!DOCTYPE x [<!ENTITY a "b">]><premis `), []string{aip.CodePremis}},
	} {
		t.Run(name, func(t *testing.T) {
			got := codes(verify(t, forge(t, c.change)))
			for _, want := range c.want {
				if !slices.Contains(got, want) {
					t.Errorf("findings %v, want %s", got, want)
				}
			}
			if slices.Contains(got, aip.CodeIntact) {
				t.Errorf("findings %v", got)
			}
		})
	}
	same := forge(t, func(p string, b []byte) (string, []byte) { return p, b })
	if got := codes(verify(t, same)); !slices.Contains(got, aip.CodeIntact) {
		t.Errorf("forging nothing: %v", got)
	}
}

func TestVerifyUnreadable(t *testing.T) {
	p, _ := sample()
	good, m := pack(t, p)
	e, _ := m.File("f0002")
	got := aip.Verify(t.Context(), bad{bytes.NewReader(good), e.Offset}, m.Size, aip.Options{})
	if !slices.Contains(codes(got), aip.CodeUnreadable) || slices.Contains(codes(got), aip.CodeIntact) {
		t.Errorf("findings %v", got)
	}
	if got := codes(aip.Verify(t.Context(), bytes.NewReader(good), m.Size, aip.Options{})); !slices.Equal(got, []string{aip.CodeSealUnchecked, aip.CodeIntact}) {
		t.Errorf("without a check of the seal: %v", got)
	}
}

// bad fails where one byte is asked for.
type bad struct {
	r  io.ReaderAt
	at int64
}

func (b bad) ReadAt(p []byte, off int64) (int, error) {
	if off <= b.at && b.at < off+int64(len(p)) {
		return 0, errors.New("input/output error")
	}
	return b.r.ReadAt(p, off)
}

func TestEventsOfUnknownAgent(t *testing.T) {
	zip := forge(t, func(p string, b []byte) (string, []byte) {
		if p == aip.PremisPath {
			b = bytes.ReplaceAll(b, []byte("<agentIdentifierValue>2<"), []byte("<agentIdentifierValue>7<"))
		}
		return p, b
	})
	r, err := aip.Open(bytes.NewReader(zip), int64(len(zip)))
	if err != nil {
		t.Fatal(err)
	}
	if events, err := r.Events(); !errors.Is(err, aip.ErrInvalid) {
		t.Errorf("%d events, error %v", len(events), err)
	}
}
