package main

import (
	"archive/zip"
	"bytes"
	"io"
	"path"
	"strings"
	"testing"
)

// inside is the file of a ZIP whose path matches a pattern.
func inside(t *testing.T, archive []byte, pattern string) string {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range z.File {
		if ok, _ := path.Match(pattern, f.Name); !ok {
			continue
		}
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	t.Fatalf("no %s", pattern)
	return ""
}

// TestExportFiling exports a record from within a file: with what the caller may know
// of that, and with the class in which the record stands now.
func TestExportFiling(t *testing.T) {
	t.Parallel()
	in := install(t).serve(t)
	admin := in.admin(t)
	reader := admin.as("leser", "reader")
	_, top := admin.archive(about("0", "63.10", "Liegenschaft Lindenstraße", "kind", "file"), file("deckel.bin", blob("Deckel")))
	_, above := admin.archive(about("1", "63.10", "Nachbarstreit Meier", "kind", "file", "parent", top.ID), file("streit.bin", blob("Streit")))
	_, r := admin.archive(about("2", "63.10", "Bauantrag", "kind", "case", "parent", above.ID), file("gutachten.bin", blob("Gutachten")))
	url := "/v1/records/" + r.ID + "/package?profile="
	tells := func(who *caller, want bool, titles ...string) {
		t.Helper()
		message := inside(t, who.get(url+"xdomea").want(t, 200).body, "*_0503_1.xml")
		for _, title := range titles {
			if strings.Contains(message, title) != want {
				t.Errorf("%q is told: %t", title, !want)
			}
		}
	}
	const file, parcel = "Nachbarstreit Meier", "Liegenschaft Lindenstraße"
	tells(reader, true, file, parcel)
	admin.post("/v1/records/"+above.ID+"/restriction", map[string]any{"reason": "Widerspruch", "legal_basis": "Art. 18 DSGVO"}).want(t, 201)
	tells(reader, false, file, parcel)
	tells(admin, true, file, parcel)

	admin.post("/v1/records/"+r.ID+"/reclassification", map[string]any{"class": "01.10", "reason": "falsch zugeordnet"}).want(t, 201)
	message := inside(t, admin.get(url+"xdomea").want(t, 200).body, "*_0503_1.xml")
	_, own, _ := strings.Cut(message, "<xdomea:Vorgang>")
	if want := "<xdomea:Aktenplaneinheit><xdomea:Kennzeichen>01.10</xdomea:Kennzeichen>"; !strings.Contains(own, want) || strings.Contains(own, "Kennzeichen>63.10<") {
		t.Errorf("no %s in %s", want, own)
	}
	if info := inside(t, admin.get(url+"bagit").want(t, 200).body, "*/bag-info.txt"); !strings.Contains(info, "Class: 01.10\nClass-As-Received: 63.10\n") {
		t.Error(info)
	}
}
