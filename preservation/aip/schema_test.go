package aip_test

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"bestand/preservation/aip"
)

// tool returns the path of a foreign program. Without it the test is skipped,
// or fails where the environment promises all of them.
func tool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("BESTAND_REQUIRE_TOOLS") == "1" {
			t.Fatalf("%s is missing", name)
		}
		t.Skipf("%s is missing: what it would check is unchecked", name)
	}
	return path
}

// validate checks METS and PREMIS of a package against their official schemas,
// and that Dublin Core is well-formed.
func validate(t *testing.T, zip []byte) {
	t.Helper()
	xmllint := tool(t, "xmllint")
	r, err := aip.Open(bytes.NewReader(zip), int64(len(zip)))
	if err != nil {
		t.Fatal(err)
	}
	catalog, err := filepath.Abs("testdata/schema/catalog.xml")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ path, schema string }{
		{aip.MetsPath, "testdata/schema/aip.xsd"}, {aip.PremisPath, "testdata/schema/premis.xsd"}, {aip.DCPath, ""},
	} {
		s, err := r.Entry(c.path)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := io.ReadAll(s)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), filepath.Base(c.path))
		if err := os.WriteFile(file, doc, 0o600); err != nil {
			t.Fatal(err)
		}
		args := []string{"--nonet", "--noout", "--huge", file}
		if c.schema != "" {
			args = append([]string{"--schema", c.schema}, args...)
		}
		cmd := exec.Command(xmllint, args...)
		cmd.Env = append(os.Environ(), "XML_CATALOG_FILES=file://"+catalog)
		out, err := cmd.CombinedOutput()
		if err != nil || strings.Contains(string(out), "warning") {
			t.Errorf("%s: %v\n%s", c.path, err, out)
		}
	}
}

func TestSchemas(t *testing.T) {
	p, _ := sample()
	zip, _ := pack(t, p)
	validate(t, zip)
}

// TestSchemaRefuses makes sure that the schemas are in force.
func TestSchemaRefuses(t *testing.T) {
	xmllint := tool(t, "xmllint")
	catalog, err := filepath.Abs("testdata/schema/catalog.xml")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ path, schema, from, to string }{
		{aip.MetsPath, "testdata/schema/aip.xsd", `csip:OAISPACKAGETYPE="AIP"`, `csip:OAISPACKAGETYPE="XIP"`},
		{aip.MetsPath, "testdata/schema/aip.xsd", `CHECKSUMTYPE="SHA-256"`, `CHECKSUMTYPE="SHA-3"`},
		{aip.MetsPath, "testdata/schema/aip.xsd", `xlink:type="simple"`, `xlink:type="fancy"`},
		{aip.PremisPath, "testdata/schema/premis.xsd", "<eventType ", "<eventKind "},
	} {
		p, _ := sample()
		zip, _ := pack(t, p)
		r, err := aip.Open(bytes.NewReader(zip), int64(len(zip)))
		if err != nil {
			t.Fatal(err)
		}
		s, _ := r.Entry(c.path)
		doc, _ := io.ReadAll(s)
		file := filepath.Join(t.TempDir(), "x.xml")
		os.WriteFile(file, bytes.Replace(doc, []byte(c.from), []byte(c.to), 1), 0o600)
		cmd := exec.Command(xmllint, "--nonet", "--noout", "--schema", c.schema, file)
		cmd.Env = append(os.Environ(), "XML_CATALOG_FILES=file://"+catalog)
		if out, err := cmd.CombinedOutput(); err == nil {
			t.Errorf("%s with %s is valid: %s", c.path, c.to, out)
		}
	}
}
