package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bestand/preservation"
)

const samples = "../../testdata/samples"

// trySamples archives the samples with the command that producers use and has
// foreign tools look at everything that comes out.
func trySamples(t *testing.T, in *installation) {
	converters(t)
	dirs, err := filepath.Glob(filepath.Join(samples, "*", "metadata.json"))
	if err != nil || len(dirs) < 5 {
		t.Fatalf("samples: %v %v", dirs, err)
	}
	receipts := t.TempDir()
	args := []string{"ingest", "--server", in.url, "--token-file", filepath.Join(in.dir, tokenFile), "--producer", "samples",
		"--receipts", receipts, "--wait", "--json"}
	for i := range dirs {
		dirs[i] = filepath.Dir(dirs[i])
	}
	deliver := func() (all []outcome) {
		t.Helper()
		out, complaint, code := program(t, append(args, dirs...)...)
		if code != 0 {
			t.Fatalf("ingest: exit code %d\n%s%s", code, out, complaint)
		}
		for line := range strings.Lines(out) {
			var o outcome
			if err := json.Unmarshal([]byte(line), &o); err != nil {
				t.Fatal(err)
			}
			all = append(all, o)
		}
		slices.SortFunc(all, func(a, b outcome) int { return strings.Compare(a.Path, b.Path) })
		return all
	}
	first := deliver()
	if len(first) != len(dirs) {
		t.Fatalf("%d outcomes for %d folders", len(first), len(dirs))
	}
	for i, again := range deliver() {
		if again.Record != first[i].Record || !again.Repeated {
			t.Errorf("sent again: %+v, first %+v", again, first[i])
		}
	}
	v := newVerifier(t, in)
	for _, o := range first {
		t.Run(filepath.Base(o.Path), func(t *testing.T) {
			if o.Status != "archived" || o.Repeated {
				t.Fatalf("%+v", o)
			}
			c := in.admin(t)
			r := c.record(o.Record)
			v.in(t).record(c, r)
			v.in(t).receipt(c, o, r)
			originals(c, o.Path, r)
			c.verified(r.ID)
		})
	}
	searches(in.admin(t), first)
}

// originals fetches what was sent and wants it back byte for byte, whole and in
// ranges.
func originals(c *caller, dir string, r holding) {
	c.Helper()
	sent := files(c.T, dir)
	for _, f := range r.of(preservation.Original) {
		want, ok := sent[f.Name]
		if !ok {
			c.Errorf("file %q was not sent", f.Name)
			continue
		}
		path := fmt.Sprintf("/v1/records/%s/files/%s", r.ID, f.ID)
		whole := c.get(path).want(c.T, http.StatusOK)
		tag := whole.Header.Get("ETag")
		if !bytes.Equal(whole.body, want) || tag != `"`+hex256(want)+`"` {
			c.Errorf("%s: %d bytes of %d, ETag %s", f.Name, len(whole.body), len(want), tag)
		}
		middle := len(want) / 2
		for spec, part := range map[string][]byte{
			"bytes=0-9": want[:10], fmt.Sprintf("bytes=%d-", middle): want[middle:], "bytes=-7": want[len(want)-7:],
		} {
			got := c.get(path, "Range", spec, "If-Range", tag).want(c.T, http.StatusPartialContent)
			if !bytes.Equal(got.body, part) || !strings.HasSuffix(got.Header.Get("Content-Range"), fmt.Sprintf("/%d", len(want))) {
				c.Errorf("%s, %s: %d bytes, %s", f.Name, spec, len(got.body), got.Header.Get("Content-Range"))
			}
		}
		c.get(path, "If-None-Match", tag).want(c.T, http.StatusNotModified)
		c.get(path, "Range", fmt.Sprintf("bytes=%d-", len(want))).want(c.T, http.StatusRequestedRangeNotSatisfiable)
		if got := c.get(path, "Range", "bytes=0-9", "If-Range", `"other"`).want(c.T, http.StatusOK); !bytes.Equal(got.body, want) {
			c.Errorf("%s: a range of another version is not the whole", f.Name)
		}
	}
}

// searches finds the samples by what archivists type.
func searches(c *caller, all []outcome) {
	c.Helper()
	id := map[string]string{}
	for _, o := range all {
		id[filepath.Base(o.Path)] = o.Record
	}
	_, petitions := c.archive(about("suche-1", "63.10", "Sammlung"), file("a.txt", "Die Bauanträge wurden geprüft.\n"))
	for _, s := range []struct{ q, finds, first string }{
		{"Bauanträge", petitions.ID, ""},
		{"Bauantraege", petitions.ID, ""},         // transcription
		{"bauantrage", petitions.ID, ""},          //
		{"Bauantrag", id["bauakte"], ""},          //
		{"Genehmigung", id["schriftwechsel"], ""}, // part of Baugenehmigung
		{"Lindenstrasse", id["bauakte"], ""},      //
		{"Lindenstraße", id["bauakte"], ""},       //
		{"Gebuehrenbescheid", id["gebuehren"], ""},
		{"Widerspruch", id["bauakte"], ""}, // in the text of a PDF only
		{`"63.10-2014/0815"`, "", id["bauakte"]},
		{"63.10-2014/0815-G", "", id["gebuehren"]},
		{"2025-00417", "", id["rechnung"]},
	} {
		var found []string
		eventually(c.T, "search "+s.q, func() bool {
			found = c.find(s.q)
			return s.finds != "" && slices.Contains(found, s.finds) || s.first != "" && len(found) > 0 && found[0] == s.first
		})
	}
	for _, nothing := range []string{"Hundesteuer", "Bauanträgen-Nord"} {
		if found := c.find(nothing); len(found) > 0 {
			c.Errorf("search %s finds %v", nothing, found)
		}
	}
}

// files reads what lies in the folder of a sample.
func files(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]byte{}
	for _, e := range entries {
		if e.Name() != "metadata.json" {
			if all[e.Name()], err = os.ReadFile(filepath.Join(dir, e.Name())); err != nil {
				t.Fatal(err)
			}
		}
	}
	return all
}
