package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bestand/preservation"
)

// without starts the program where some files of the machine are hidden from it.
func without(t *testing.T, paths ...string) []string {
	t.Helper()
	via := []string{tool(t, "unshare"), "--mount"}
	if os.Getuid() != 0 {
		via = append(via, "--user", "--map-root-user")
	}
	script := ""
	for _, p := range paths {
		real, err := filepath.EvalSymlinks(p)
		if err != nil {
			t.Fatal(err)
		}
		script += "mount --bind /dev/null '" + real + "' && "
	}
	return append(via, "sh", "-c", script+`exec "$@"`, "sh")
}

// TestMissing takes records in while a part of the machine is missing. The
// original is archived, the record says what it lacks, and gets it in a second
// version once the part is there.
func TestMissing(t *testing.T) {
	converters(t)
	t.Parallel()
	soffice := tool(t, "soffice")
	in := install(t)
	for _, m := range []struct {
		name, id, verdict string
		flags, via        []string
	}{
		{"LibreOffice", "ohne-office", preservation.VerdictPending, nil, without(t, soffice)},
		{"veraPDF", "ohne-verapdf", preservation.VerdictNotValidated, []string{"--verapdf", "/nonexistent"}, nil},
	} {
		in.flags, in.via = m.flags, m.via
		c := in.serve(t).admin(t)
		s, r := c.archive(about(m.id, "63.10", "Ohne "+m.name), file("vermerk.txt", "Ein Vermerk ohne "+m.name+".\n"))
		if !slices.ContainsFunc(r.Files, func(f held) bool { return f.Verdict == m.verdict }) {
			t.Errorf("without %s: %+v", m.name, r.Files)
		}
		if !slices.ContainsFunc(s.Problems, func(p preservation.Finding) bool { return strings.Contains(p.Detail, m.name) || p.Code == "pending" }) {
			t.Errorf("without %s: problems %+v", m.name, s.Problems)
		}
		c.verified(r.ID)
		in.enqueue(t, "complete") // still missing
		if again := c.record(r.ID); again.Version != 1 {
			t.Errorf("without %s: version %d", m.name, again.Version)
		}
		in.stop(t)
	}
	in.flags, in.via = nil, nil
	c := in.serve(t).admin(t)
	in.enqueue(t, "complete")
	for _, name := range []string{"LibreOffice", "veraPDF"} {
		var found []string
		eventually(t, "the index finds it", func() bool { found = c.find(`"Ohne ` + name + `"`); return len(found) == 1 })
		var r holding
		eventually(t, "what "+name+" makes is there", func() bool { r = c.record(found[0]); return r.Version == 2 })
		valid := 0
		for _, f := range r.Files {
			switch f.Verdict {
			case preservation.VerdictValid:
				valid++
			case preservation.VerdictPending, preservation.VerdictNotValidated:
				t.Errorf("%s is still %s", f.Name, f.Verdict)
			}
		}
		if valid != 1 {
			t.Errorf("%d valid renditions: %+v", valid, r.Files)
		}
		if got := string(c.bytes(r, r.of(preservation.Original)[0].ID)); got != "Ein Vermerk ohne "+name+".\n" {
			t.Errorf("original is now %q", got)
		}
		eventually(t, "the second version has its receipt", func() bool {
			stored := 0
			for _, e := range c.events(r.ID) {
				if e.Type == preservation.EventStore {
					stored++
				}
			}
			return stored == 2
		})
		c.verified(r.ID)
	}
	v := newVerifier(t, in)
	in.proof = map[string]bool{}
	for _, r := range in.audit(t) {
		for version := 1; version <= 2; version++ {
			key := preservation.PackageKey(r.ID, version)
			content, err := os.ReadFile(in.object(key))
			if err != nil {
				t.Error(err)
				continue
			}
			v.offline(v.save("package.zip", content), content)
		}
	}
}
