package main

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"bestand/ingest/scan"
	"bestand/preservation"
)

// fileNames are names that a file system takes and that mean harm to others, or
// that look the same to somebody.
var fileNames = []string{
	"-rf", "--help", "$(touch pwned)`touch pwned`;touch pwned|'.txt", "zeile\nzwei\r.txt", "\x1b[2J\x1b]0;titel\a.txt", "um\u0308laut.txt", "ümlaut.txt", "um\xfclaut.txt",
	"um\xf6laut.txt", "gleich.TXT", "gleich.txt", "punkt.", "punkt", "blank ", "blank", "a\u202etxt.exe", "CON", "nul.txt", "..txt", "...", "METS.xml", "mimetype", "%2e%2e%2f",
	`..\..\a`, "C:a", "a:b", `"quoted"`, "<script>", "premis.xml", strings.Repeat("ä", 127) + "a", "\u200b", "\xff\xfe", "*", "?", "~", "ﬁ", "fi", "K", "\u212a",
}

func zipped(t *testing.T, files ...sent) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, f := range files {
		w, err := z.CreateHeader(&zip.FileHeader{Name: f.name, Method: zip.Deflate})
		if err == nil {
			_, err = f.open().(*strings.Reader).WriteTo(w)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestHostileNames sends names that mean harm on every way in. Each comes back
// byte for byte, no two become one, and no terminal and no shell obeys them.
func TestHostileNames(t *testing.T) {
	t.Parallel()
	in := install(t).serve(t)
	c := in.admin(t)
	came := func(h holding, prefix string, want []string) {
		t.Helper()
		have := map[string]string{}
		for _, f := range h.of(preservation.Original) {
			name, ok := strings.CutPrefix(rawName(t, f.Name, f.NameBase64), prefix)
			if !ok {
				continue
			}
			if _, twice := have[name]; twice {
				t.Errorf("%q is there twice", name)
			}
			have[name] = string(c.bytes(h, f.ID))
		}
		for _, name := range want {
			if have[name] != blob(name) {
				t.Errorf("%q came back as %.40q", name, have[name])
			}
		}
		if len(have) != len(want) {
			t.Errorf("%d names of %d", len(have), len(want))
		}
		c.verified(h.ID)
	}
	t.Run("command", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "\x1b[31mrot\n\xff")
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for _, name := range fileNames {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(blob(name)), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		stdout, stderr, code := program(t, "ingest", "--server", in.url, "--token-file", filepath.Join(in.dir, tokenFile), "--producer", "cli", "--class", "63.10",
			"--wait", "--receipts", t.TempDir(), dir, filepath.Join(dir, "-rf"))
		if code != 0 {
			t.Fatalf("exit code %d: %s%s", code, stdout, stderr)
		}
		if strings.ContainsAny(stdout+stderr, "\x1b\a\r\u202e") || !utf8.ValidString(stdout+stderr) || strings.Count(stdout, "archived") < 2 {
			t.Errorf("printed %q %q", stdout, stderr)
		}
		var page struct{ Items []status }
		c.get("/v1/submissions?producer=cli").want(t, 200).decode(t, &page)
		for _, s := range page.Items {
			if h := c.record(s.RecordID); len(h.of(preservation.Original)) > 1 {
				came(h, "", fileNames)
			}
		}
		if again, _, code := program(t, "ingest", "--server", in.url, "--token-file", filepath.Join(in.dir, tokenFile), "--producer", "cli", "--class", "63.10", dir); code != 0 || !strings.Contains(again, "was here before") {
			t.Errorf("again: %s", again)
		}
		_, stderr, code = program(t, "ingest", "--server", in.url, "--token-file", filepath.Join(in.dir, tokenFile), "--producer", "cli", "--class", "63.10", filepath.Join(dir, "\x1b[2Jmissing"))
		if code == 0 || strings.Contains(stderr, "\x1b") {
			t.Errorf("%d %q", code, stderr)
		}
	})
	t.Run("bag", func(t *testing.T) {
		names := slices.DeleteFunc(slices.Clone(fileNames), func(n string) bool { return strings.Contains(n, `\`) }) // refused: APPNOTE 4.4.17.1
		var manifest strings.Builder
		files := []sent{file("b/bagit.txt", "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"), file("b/bag-info.txt", "Title: Namen\nClass: 63.10\nSource-Organization: bag\nExternal-Identifier: names\n")}
		names = slices.DeleteFunc(names, func(n string) bool { return strings.ToValidUTF8(n, "") != n }) // a manifest in UTF-8 cannot list them
		for _, n := range names {
			files = append(files, file("b/data/"+n, blob(n)))
			sum := sha256.Sum256([]byte(blob(n)))
			fmt.Fprintf(&manifest, "%s  data/%s\n", hex.EncodeToString(sum[:]), strings.NewReplacer("%", "%25", "\n", "%0A", "\r", "%0D").Replace(n))
		}
		s := c.hand(zipped(t, append(files, file("b/manifest-sha256.txt", manifest.String()))...))
		if s.Status != "archived" {
			t.Fatalf("%+v", s)
		}
		came(c.record(s.RecordID), "data/", names)
	})
	t.Run("uploads", func(t *testing.T) {
		var announced []any
		var names []string
		for _, n := range fileNames {
			if strings.ToValidUTF8(n, "") != n {
				continue // JSON cannot hold it
			}
			names = append(names, n)
			r := c.do("POST", "/v1/uploads", strings.NewReader(blob(n)), "Tus-Resumable", "1.0.0", "Upload-Length", fmt.Sprint(len(blob(n))),
				"Content-Type", "application/offset+octet-stream", "Upload-Metadata", "filename "+base64.StdEncoding.EncodeToString([]byte("../../"+n))).want(t, 201)
			announced = append(announced, map[string]any{"name": n, "upload": filepath.Base(r.Header.Get("Location"))})
		}
		s := c.await(c.post("/v1/submissions", about("uploads", "63.10", "Namen", "files", announced)).accepted(t))
		came(c.record(s.RecordID), "", names)
	})
	if err := exec.Command("test", "-e", "pwned").Run(); err == nil {
		t.Error("a shell obeyed a name")
	}
	in.audit(t)
}

// infectedSIP is an E-ARK SIP with the test string among its content.
func infectedSIP(t *testing.T) string {
	t.Helper()
	sum := sha256.Sum256([]byte(eicar))
	return zipped(t, file("urn-1/METS.xml", `<mets xmlns="http://www.loc.gov/METS/" xmlns:csip="https://DILCIS.eu/XML/METS/CSIPExtensionMETS" xmlns:xlink="http://www.w3.org/1999/xlink" OBJID="urn-1" LABEL="x" TYPE="Mixed"`+
		` PROFILE="https://earksip.dilcis.eu/profile/E-ARK-SIP.xml"><metsHdr csip:OAISPACKAGETYPE="SIP"><agent ROLE="CREATOR" TYPE="ORGANIZATION"><name>x</name></agent></metsHdr><fileSec><fileGrp><file CHECKSUM="`+
		hex.EncodeToString(sum[:])+`" CHECKSUMTYPE="SHA-256"><FLocat xlink:href="representations/rep1/data/e.com"/></file></fileGrp></fileSec></mets>`),
		file("urn-1/representations/rep1/data/e.com", eicar))
}

// infectedMessage is an xdomea message with the test string as one of its files.
func infectedMessage(t *testing.T) string {
	t.Helper()
	const id = "00000000-0000-4000-8000-0000000000"
	text, err := os.ReadFile("../../ingest/sip/xdomea/testdata/3.0.0.xml")
	if err != nil {
		t.Fatal(err)
	}
	files := []sent{file(id+"01_Aussonderung.Aussonderung.0503.xml", string(text)), file(id+"f3.txt", eicar)}
	for _, n := range []string{"f1_Anschreiben.pdf", "f2.pdf", "f4_Antrag ä.pdf", "f5.p7s", "f6.tif", "f7.txt"} {
		files = append(files, file(id+n, n))
	}
	return zipped(t, files...)
}

// hand hands a package over and waits for it.
func (c *caller) hand(content string) status {
	c.Helper()
	body := "--" + boundary + "\r\nContent-Disposition: form-data; name=\"package\"; filename=\"paket.zip\"\r\n\r\n" + content + "\r\n--" + boundary + "--\r\n"
	return c.await(c.do("POST", "/v1/submissions", strings.NewReader(body), "Content-Type", "multipart/form-data; boundary="+boundary).accepted(c.T))
}

// The EICAR test string, in two halves so that scanners leave this file alone.
var eicar = `X5O!P%@AP[4\PZX54(P^)7CC)7}$` + `EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*`

// clamd starts a real daemon with a database of its own and returns its folder,
// where its socket is s.
func clamd(t *testing.T, settings string) (dir string) {
	t.Helper()
	path, err := exec.LookPath("clamd")
	if err != nil {
		path = tool(t, "/usr/sbin/clamd")
	}
	if dir, err = os.MkdirTemp("/tmp", "clamd"); err != nil { // the path of a socket must be short
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for name, text := range map[string]string{
		"a.ndb": "Eicar-Test:0:*:" + hex.EncodeToString([]byte(eicar)) + "\n",
		"conf":  fmt.Sprintf("Foreground yes\nLocalSocket %[1]s/s\nDatabaseDirectory %[1]s\nTemporaryDirectory %[1]s\n%[2]s\n", dir, settings),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(path, "--config-file="+filepath.Join(dir, "conf"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	s, err := scan.New(scan.Config{Address: "unix:" + dir + "/s"})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "clamd answers", func() bool { _, err := s.Version(t.Context()); return err == nil })
	return dir
}

// TestMalware hands malware over in several coats. Each is quarantined, and what
// the right person decides is done.
func TestMalware(t *testing.T) {
	t.Parallel()
	dir := clamd(t, "StreamMaxLength 2M\nMaxFileSize 1M\nAlertExceedsMax yes\nMaxScanSize 8M")
	in := install(t, "--clamd", "unix:"+dir+"/s").serve(t)
	c := in.admin(t)
	dms, reader, archivist := c.as("dms", "submitter"), c.as("leserin", "reader"), c.as("anna", "archivist")
	message := "From: a@example.org\r\nTo: b@example.org\r\nSubject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" +
		"--b\r\nContent-Type: text/plain\r\n\r\nanbei\r\n--b\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=e.com\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
		base64.StdEncoding.EncodeToString([]byte(eicar)) + "\r\n--b--\r\n"
	odt := zipped(t, file("mimetype", "application/vnd.oasis.opendocument.text"), file("content.xml", "<a/>"), file("Basic/e.com", eicar))
	var ids []string
	for i, f := range []sent{file("eicar.com", eicar), file("a.zip", zipped(t, file("x/e.com", eicar))), file("a.odt", odt), file("a.eml", message)} {
		s := dms.await(dms.send(about(fmt.Sprint("m-", i), "63.10", f.name), f, file("gut.bin", blob("gut"))).accepted(t))
		if s.Status != "quarantined" || s.Problems[0].Code != "infected" {
			t.Fatalf("%s: %+v", f.name, s)
		}
		ids = append(ids, s.ID)
	}
	sum := sha256.Sum256([]byte(eicar))
	bag := zipped(t, file("bagit.txt", "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"), file("data/e.com", eicar),
		file("manifest-sha256.txt", hex.EncodeToString(sum[:])+"  data/e.com\n"))
	for name, content := range map[string]string{"bag": bag, "E-ARK": infectedSIP(t), "xdomea": infectedMessage(t)} {
		s := c.hand(content)
		if s.Status != "quarantined" || s.Problems[0].Code != "infected" {
			t.Errorf("%s: %+v", name, s)
			continue
		}
		c.post("/v1/submissions/"+s.ID+"/refuse", map[string]any{"reason": "Schadprogramm"}).want(t, 200)
	}
	dms.get("/v1/submissions/"+ids[0]+"/files/f0001").want(t, 403)
	reader.get("/v1/submissions/"+ids[0]+"/files/f0001").want(t, 403)
	if r := archivist.get("/v1/submissions/"+ids[0]+"/files/f0001").want(t, 200); string(r.body) != eicar {
		t.Errorf("%d bytes", len(r.body))
	}
	dms.post("/v1/submissions/"+ids[1]+"/refuse", map[string]any{"reason": "x"}).want(t, 403)
	for _, id := range ids[1:] {
		archivist.post("/v1/submissions/"+id+"/refuse", map[string]any{"reason": "Schadprogramm"}).want(t, 200)
	}
	archivist.post("/v1/submissions/"+ids[0]+"/release", map[string]any{"reason": "Beweismittel"}).want(t, 202)
	s := dms.await(ids[0])
	if s.Status != "archived" {
		t.Fatalf("released: %+v", s)
	}
	h := archivist.record(s.RecordID)
	reader.get("/v1/records/"+h.ID+"/files/f0001").refused(t, 403, "infected", "")
	reader.get("/v1/records/"+h.ID+"/files/f0002").want(t, 200)
	reader.get("/v1/records/"+h.ID+"/package").refused(t, 403, "infected", "")
	if string(archivist.bytes(h, "f0001")) != eicar {
		t.Error("an archivist cannot read it")
	}
	// The producer's identifier is free again.
	dms.send(about("m-1", "63.10", "sauber"), file("a.bin", blob("sauber"))).accepted(t)

	// What the scanner does not read is not called clean.
	for name, size := range map[string]int{"limits": 3 << 19, "too-large": 5 << 19} {
		s := c.await(c.send(about(name, "63.10", name), file("gross.bin", strings.Repeat("\x01\x02", size/2)+eicar)).accepted(t))
		told := slices.IndexFunc(s.Problems, func(p preservation.Finding) bool { return p.Code == "not-scanned" && strings.Contains(p.Detail, name) })
		if s.Status != "archived" || told < 0 {
			t.Errorf("%s: %+v", name, s)
		}
	}

	// Signatures change while the service runs.
	if err := os.WriteFile(filepath.Join(dir, "b.ndb"), []byte("Neu:0:*:"+hex.EncodeToString([]byte("neues Schadprogramm"))+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	n := 0
	eventually(t, "the new signature is known", func() bool {
		if conn, err := net.Dial("unix", dir+"/s"); err == nil {
			io.WriteString(conn, "zRELOAD\x00")
			io.ReadAll(conn)
			conn.Close()
		}
		n++
		s := c.await(c.send(about(fmt.Sprint("neu-", n), "63.10", "neu"), file("n.bin", "\x01neues Schadprogramm"+fmt.Sprint(n))).accepted(t))
		return s.Status == "quarantined"
	})
}
