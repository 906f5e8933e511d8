package bagit_test

import (
	"crypto/md5"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"slices"
	"strings"
	"testing"

	"bestand/ingest/sip/bagit"
	"bestand/ingest/sip/finding"
	"bestand/ingest/sip/siptest"
	"bestand/preservation"
)

func sha(s string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(s))) }

const info = "Source-Organization: Stadt Musterstadt\r\n" +
	"External-Identifier: 63.10-2014/0815\r\n" +
	"External-Description: Bauantrag\r\n" +
	"   Lindenstraße 12,\r\n" +
	"\tVorderhaus\r\n" +
	"Contact-Name: A\r\n" +
	"contact-name: B\r\n" +
	"Payload-Oxum: 13.2\r\n"

const declaration = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"

// bag is a valid bag with what the standard knows.
func bag() siptest.Files {
	manifest := sha("Antrag") + "  data/antrag.txt\n" + strings.ToUpper(sha("Planung")) + " data/pläne/1.txt\n"
	tags := sha(declaration) + " bagit.txt\n" + sha(info) + " bag-info.txt\n" + sha(manifest) + " manifest-sha256.txt\n" + sha("x") + " meta/x.xml\n"
	return siptest.Files{
		{Name: "bagit.txt", Content: declaration},
		{Name: "bag-info.txt", Content: info},
		{Name: "manifest-sha256.txt", Content: manifest},
		{Name: "tagmanifest-sha256.txt", Content: tags},
		{Name: "meta/x.xml", Content: "x"},
		{Name: "data/antrag.txt", Content: "Antrag"},
		{Name: "data/pläne/1.txt", Content: "Planung"},
	}
}

// plain is a bag without tag manifest, whose parts can be changed one by one.
func plain() siptest.Files { return bag().Without("tagmanifest-sha256.txt") }

func read(t *testing.T, fs siptest.Files) (*bagit.Bag, []preservation.Finding) {
	t.Helper()
	c := fs.Unpack(t)
	var found finding.List
	roots := bagit.Detect(c)
	if len(roots) != 1 {
		t.Fatalf("roots %q", roots)
	}
	b, err := bagit.Read(t.Context(), c, roots[0], &found)
	if err != nil {
		t.Fatal(err)
	}
	return b, found.All()
}

func TestRead(t *testing.T) {
	b, all := read(t, bag().Below("akte-0815"))
	if len(all) > 0 {
		t.Fatal(all)
	}
	if b.Version != "1.0" || b.Folder != "akte-0815" || len(b.Payload) != 2 || len(b.Tags) != 5 {
		t.Fatalf("%+v", b)
	}
	if got := b.Value("Title", "external-description"); got != "Bauantrag Lindenstraße 12, Vorderhaus" {
		t.Errorf("description %q", got)
	}
	if want := []bagit.Field{{Label: "Contact-Name", Value: "A"}, {Label: "contact-name", Value: "B"}}; !slices.Equal(b.Info[3:5], want) {
		t.Errorf("repeated label: %v", b.Info)
	}
	if f := b.Payload[1]; f.Name != "data/pläne/1.txt" || f.Announced["sha256"] != sha("Planung") || f.SHA256 != sha("Planung") {
		t.Errorf("payload %+v", f)
	}
	if f := b.Tags[4]; f.Name != "meta/x.xml" || f.Announced["sha256"] != sha("x") {
		t.Errorf("tag file %+v", f)
	}
}

func TestFailures(t *testing.T) {
	manifest := sha("Antrag") + "  data/antrag.txt\n" + sha("Planung") + " data/pläne/1.txt\n"
	add := func(line string) siptest.Files { return plain().Set("manifest-sha256.txt", manifest+line) }
	for name, c := range map[string]struct {
		bag  siptest.Files
		want []string
	}{
		bagit.BadDeclaration + " one line":             {plain().Set("bagit.txt", "BagIt-Version: 1.0\n"), []string{bagit.BadDeclaration}},
		bagit.BadDeclaration + " order":                {plain().Set("bagit.txt", "Tag-File-Character-Encoding: UTF-8\nBagIt-Version: 1.0\n"), []string{bagit.BadDeclaration}},
		bagit.BadDeclaration + " version":              {plain().Set("bagit.txt", "BagIt-Version: 2.0\nTag-File-Character-Encoding: UTF-8\n"), []string{bagit.BadDeclaration}},
		bagit.BadDeclaration + " encoding":             {plain().Set("bagit.txt", "BagIt-Version: 1.0\nTag-File-Character-Encoding: EBCDIC-X\n"), []string{bagit.BadDeclaration}},
		bagit.BadDeclaration + " byte order mark":      {plain().Set("bagit.txt", "\ufeff"+declaration), []string{bagit.BadDeclaration}},
		bagit.BadDeclaration + " long":                 {plain().Set("bagit.txt", declaration+strings.Repeat("\n", 2000)), []string{bagit.BadDeclaration}},
		bagit.BadTagFile + " no colon":                 {plain().Set("bag-info.txt", "Contact\n"), []string{bagit.BadTagFile}},
		bagit.BadTagFile + " begins with a value":      {plain().Set("bag-info.txt", " value\n"), []string{bagit.BadTagFile}},
		bagit.BadTagFile + " encoding":                 {plain().Set("bag-info.txt", "Contact: \xfc\n"), []string{bagit.BadTagFile}},
		bagit.NoManifest:                               {plain().Without("manifest-sha256.txt"), []string{bagit.NoManifest}},
		bagit.NoManifest + " with a known algorithm":   {plain().Without("manifest-sha256.txt").Set("manifest-blake3.txt", manifest), []string{bagit.NoManifest}},
		bagit.BadManifest + " no path":                 {add("00\n"), []string{bagit.BadManifest}},
		bagit.BadManifest + " no checksum":             {add("xyz data/antrag.txt\n"), []string{bagit.BadManifest}},
		bagit.BadManifest + " twice":                   {add(sha("Antrag") + " data/antrag.txt\n"), []string{bagit.BadManifest}},
		bagit.BadManifest + " traversal":               {add("00 data/../../etc/passwd\n"), []string{bagit.BadManifest}},
		bagit.BadManifest + " escaped traversal stays": {add("00 data/%2e%2e/x\n"), []string{bagit.Missing}},
		bagit.BadManifest + " absolute":                {add("00 /etc/passwd\n"), []string{bagit.BadManifest}},
		bagit.BadManifest + " home":                    {add("00 ~/x\n"), []string{bagit.BadManifest}},
		bagit.BadManifest + " tag file":                {add(sha(info) + " bag-info.txt\n"), []string{bagit.BadManifest}},
		bagit.BadManifest + " encoding":                {add("00 data/\xfc\n"), []string{bagit.BadManifest}},
		bagit.BadManifest + " long line":               {add("00 data/" + strings.Repeat("x", 70<<10) + "\n"), []string{bagit.BadManifest}},
		bagit.Missing:                                  {plain().Without("data/antrag.txt").Set("bag-info.txt", ""), []string{bagit.Missing}},
		bagit.Missing + " tag file":                    {bag().Without("meta/x.xml"), []string{bagit.Missing}},
		bagit.Unlisted:                                 {plain().Set("data/more.txt", "").Set("bag-info.txt", ""), []string{bagit.Unlisted}},
		bagit.Unlisted + " in one of two manifests": {plain().Set("manifest-sha512.txt", fmt.Sprintf("%x data/antrag.txt\n", sha512.Sum512([]byte("Antrag")))),
			[]string{bagit.Unlisted}},
		bagit.Unlisted + " manifest":         {plain().Set("tagmanifest-sha256.txt", ""), []string{bagit.Unlisted}},
		bagit.NoPayload:                      {plain().Without("data/antrag.txt").Without("data/pläne/1.txt").Set("manifest-sha256.txt", "").Set("bag-info.txt", ""), []string{bagit.NoPayload}},
		bagit.Fetch:                          {plain().Set("fetch.txt", "http://example.org/x 3 data/x\n"), []string{bagit.Fetch}},
		bagit.BadOxum:                        {plain().Set("bag-info.txt", "Payload-Oxum: 14.2\n"), []string{bagit.BadOxum}},
		bagit.BadOxum + " form":              {plain().Set("bag-info.txt", "Payload-Oxum: many\n"), []string{bagit.BadOxum}},
		bagit.Mismatch:                       {plain().Set("data/antrag.txt", "antrag"), []string{bagit.Mismatch}},
		bagit.Mismatch + " tag file":         {bag().Set("meta/x.xml", "y"), []string{bagit.Mismatch}},
		"outside-package":                    {append(plain().Below("bag"), siptest.File{Name: "readme.txt"}), []string{"outside-package"}},
		"every finding and not only the one": {plain().Set("data/antrag.txt", "antrag").Set("data/more", "x").Set("fetch.txt", "x"), []string{bagit.Mismatch, bagit.Unlisted, bagit.Fetch, bagit.BadOxum}},
	} {
		t.Run(name, func(t *testing.T) {
			_, all := read(t, c.bag)
			if got := siptest.Codes(all, preservation.Failed); !slices.Equal(got, c.want) {
				t.Errorf("findings %v\nwant %v", all, c.want)
			}
		})
	}
}

func TestNotices(t *testing.T) {
	one := siptest.Files{{Name: "b/bagit.txt", Content: declaration}, {Name: "b/data/ä.txt", Content: "1"}}
	with := func(path string) siptest.Files { return one.Set("b/manifest-sha256.txt", sha("1")+" "+path+"\n") }
	percent := siptest.Files{one[0], {Name: "b/data/100%25.txt", Content: "1"}}
	draft := strings.Replace(declaration, "1.0", "0.97", 1)
	for name, c := range map[string]struct {
		bag  siptest.Files
		want []string
	}{
		"valid":                            {with("data/ä.txt"), nil},
		"valid with CR":                    {with("data/ä.txt\r"), nil},
		"valid with tabs":                  {with("\t data/ä.txt"), nil},
		"valid in a draft":                 {with("data/ä.txt").Set("b/bagit.txt", draft), nil},
		"valid with an empty fetch.txt":    {with("data/ä.txt").Set("b/fetch.txt", "\n"), nil},
		bagit.LooseName + " dot":           {with("./data/ä.txt"), []string{bagit.LooseName}},
		bagit.LooseName + " asterisk":      {with("*data/ä.txt"), []string{bagit.LooseName}},
		bagit.LooseName + " normalisation": {with("data/a\u0308.txt"), []string{bagit.LooseName}},
		bagit.LooseName + " twice in a draft": {with("data/ä.txt").Set("b/bagit.txt", draft).Set("b/manifest-sha256.txt", strings.Repeat(sha("1")+" data/ä.txt\n", 2)),
			[]string{bagit.LooseName}},
		bagit.LooseName + " percent sign": {percent.Set("b/manifest-sha256.txt", sha("1")+" data/100%25.txt\n"), []string{bagit.LooseName}},
		"valid percent sign":              {percent.Set("b/manifest-sha256.txt", sha("1")+" data/100%2525.txt\n"), nil},
		"valid line feed": {siptest.Files{one[0], {Name: "b/data/a\nb\r%", Content: "1"}, {Name: "b/manifest-sha256.txt", Content: sha("1") + " data/a%0Ab%0d%25\n"}},
			nil},
		bagit.ByteOrderMark: {with("data/ä.txt").Set("b/manifest-sha256.txt", "\ufeff"+sha("1")+" data/ä.txt").Set("b/bag-info.txt", "\ufeffA: b"),
			[]string{bagit.ByteOrderMark, bagit.ByteOrderMark}},
		bagit.AtRoot:        {siptest.Files{{Name: "bagit.txt", Content: declaration}, {Name: "data/1", Content: "1"}, {Name: "manifest-sha256.txt", Content: sha("1") + " data/1"}}, []string{bagit.AtRoot}},
		bagit.WeakDigest:    {one.Set("b/manifest-md5.txt", fmt.Sprintf("%x data/ä.txt\n", md5.Sum([]byte("1")))), []string{bagit.WeakDigest}},
		bagit.UnknownDigest: {with("data/ä.txt").Set("b/manifest-blake3.txt", "00 data/ä.txt\n"), []string{bagit.UnknownDigest}},
		"valid ISO-8859-1": {with("data/ä.txt").Set("b/bagit.txt", strings.Replace(declaration, "UTF-8", "ISO-8859-1", 1)).Set("b/manifest-sha256.txt", sha("1")+" data/\xe4.txt\n"),
			nil},
	} {
		t.Run(name, func(t *testing.T) {
			_, all := read(t, c.bag)
			if got := siptest.Codes(all, preservation.Notice); !slices.Equal(got, c.want) || len(got) != len(all) {
				t.Errorf("findings %v\nwant %v", all, c.want)
			}
		})
	}
}
