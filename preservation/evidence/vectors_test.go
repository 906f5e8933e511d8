package evidence

import (
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bestand/preservation/evidence/judge"
	"bestand/preservation/timestamp"
)

// vectorDir holds the records of others: its README.md says whose.
const vectorDir = "testdata/vectors"

// vector is a line of the manifest: a check and what a verifier must say.
type vector struct {
	name, want, options, data string
	at                        time.Time
}

func (v vector) record() string { return filepath.Join(vectorDir, v.name) }

func (v vector) whole() bool { return strings.Contains(v.options, "--exact-group") }

func (v vector) files() (paths []string) {
	for id := range strings.SplitSeq(v.data, ",") {
		paths = append(paths, filepath.Join(vectorDir, "data", id+".txt"))
	}
	return paths
}

// shared tells the readings of the standard that this package shares.
func (v vector) shared() bool {
	return v.want != "info" && !strings.Contains(v.options, "--single double") && !strings.Contains(v.options, "--renewal sorted")
}

func vectors(t *testing.T) (all []vector) {
	t.Helper()
	manifest, err := os.ReadFile(filepath.Join(vectorDir, "manifest.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(manifest)) {
		f := strings.Split(strings.TrimRight(line, "\n"), "\t")
		v := vector{name: f[0], want: f[1], options: f[2], data: f[3], at: time.Now()}
		if _, at, ok := strings.Cut(v.options, "--at "); ok {
			at, _, _ = strings.Cut(at, " ")
			if v.at, err = time.Parse(time.RFC3339Nano, at); err != nil {
				t.Fatal(err)
			}
		}
		all = append(all, v)
	}
	return all
}

func each(t *testing.T, do func(t *testing.T, v vector)) {
	for _, v := range vectors(t) {
		t.Run(strings.Join([]string{v.name, v.options, v.data}, " "), func(t *testing.T) { do(t, v) })
	}
}

// TestVectors reads the records of others.
func TestVectors(t *testing.T) {
	roots := x509.NewCertPool()
	anchors, err := os.ReadFile(filepath.Join(vectorDir, "trust.pem"))
	if err != nil || !roots.AppendCertsFromPEM(anchors) {
		t.Fatal("trust anchors: ", err)
	}
	each(t, func(t *testing.T, v vector) {
		if !v.shared() {
			t.Skip("another reading of the standard")
		}
		var all []Object
		for _, path := range v.files() {
			all = append(all, Object{Name: path, Digest: func(h crypto.Hash) ([]byte, error) {
				r, err := os.Open(path)
				if err != nil {
					return nil, err
				}
				defer r.Close()
				w := h.New()
				_, err = io.Copy(w, r)
				return w.Sum(nil), err
			}})
		}
		r, err := Decode(readVector(t, v.record()))
		if err != nil {
			if v.want == "valid" {
				t.Fatal(err)
			}
			return
		}
		got := failed(r.Verify(all, Check{Trust: timestamp.Trust{Roots: roots}, At: v.at, Group: v.whole()}))
		t.Log(got)
		if (v.want == "valid") != (got == nil) {
			t.Errorf("want it %s", v.want)
		}
	})
}

// TestVectorsForeign shows that BouncyCastle, as it is asked here, judges as the
// manifest says: what it then says of our records is worth something.
func TestVectorsForeign(t *testing.T) {
	each(t, func(t *testing.T, v vector) {
		if !v.shared() {
			t.Skip("another reading of the standard")
		}
		err := judge.BouncyCastle.Record(t, v.record(), filepath.Join(vectorDir, "trust.pem"), v.at, v.whole(), v.files()...)
		t.Log(err)
		if (v.want == "valid") != (err == nil) {
			t.Errorf("want it %s", v.want)
		}
	})
}

// TestVectorsReference runs the verifier that BESTAND_ERSVERIFY names, if any, over
// all vectors and over a record of ours. It is called with verify --er RECORD
// --trust CA.pem [OPTIONS] FILE… and ends with 0 for what is valid.
func TestVectorsReference(t *testing.T) {
	program := os.Getenv("BESTAND_ERSVERIFY")
	if program == "" {
		t.Skip("BESTAND_ERSVERIFY names no further verifier of evidence records")
	}
	verify := func(t *testing.T, record, trust string, rest ...string) (bool, string) {
		cmd := exec.CommandContext(t.Context(), program, append([]string{"verify", "--er", record, "--trust", trust}, rest...)...)
		out, err := cmd.CombinedOutput()
		if err != nil && cmd.ProcessState.ExitCode() != 1 {
			t.Fatalf("%v\n%s", err, out)
		}
		return err == nil, string(out)
	}
	each(t, func(t *testing.T, v vector) {
		ok, out := verify(t, v.record(), filepath.Join(vectorDir, "trust.pem"), append(strings.Fields(v.options), v.files()...)...)
		if v.want != "info" && (v.want == "valid") != ok {
			t.Errorf("want it %s:\n%s", v.want, out)
		}
	})
	t.Run("ours", func(t *testing.T) {
		h := keep(t, time.Now(), []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA3_512}, 2, 7)
		dir := t.TempDir()
		record, trust := filepath.Join(dir, "akte.er"), filepath.Join(dir, "trust.pem")
		args := []string{"--single", "plain", "--renewal", "concat", "--exact-group", "--at", h.end.UTC().Format(time.RFC3339)}
		for i := range 3 {
			path := filepath.Join(dir, string(rune('a'+i)))
			args = append(args, path)
			write(t, path, file(h.ours, i))
		}
		write(t, record, h.record.Encode())
		write(t, trust, h.anchors)
		if ok, out := verify(t, record, trust, args...); !ok {
			t.Error(out)
		}
		if ok, _ := verify(t, record, trust, args[:len(args)-1]...); ok {
			t.Error("two documents pass for a group of three")
		}
	})
}

// readVector reads a record as it is or in base64.
func readVector(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(string(b)), "")); err == nil {
		return der
	}
	return b
}
