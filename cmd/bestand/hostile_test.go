package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bestand/ingest/hostile"
	"bestand/preservation"
)

// besiegedMemory is what the service may take at most whatever it is sent; its
// tools have limits of their own.
const besiegedMemory = 400 << 20

const (
	fileSecret        = "wunderkammerschluessel" // content of a file that hostile files ask for
	environmentSecret = "eisenbahnknotenpunkt"   // in the environment of the service
)

// siege is a service under hostile files, with the traps around it.
type siege struct {
	in     *installation
	trap   hostile.Trap
	caught *atomic.Int64 // connections and datagrams at the listeners
	pid    int
}

// besiege starts a service beside a listener and a secret. The secret lies in
// the service's own folder, readable for everybody.
func besiege(t *testing.T) *siege {
	t.Helper()
	converters(t)
	tool(t, "pdftotext")
	in := install(t)
	in.env = []string{"BESTAND_TEST_SECRET=" + environmentSecret}
	s := &siege{in: in, caught: new(atomic.Int64)}
	s.trap = listener(t, s.caught)
	s.trap.Secret = filepath.Join(in.dir, "notizen.txt")
	if err := os.WriteFile(s.trap.Secret, []byte(fileSecret+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	in.serve(t)
	s.pid = in.cmd.Process.Pid
	return s
}

// listener counts whoever comes, over TCP and UDP.
func listener(t *testing.T, caught *atomic.Int64) hostile.Trap {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	answer(t, l, func(c net.Conn) {
		caught.Add(1)
		c.Close()
	})
	u, err := net.ListenPacket("udp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { u.Close() })
	go func() {
		for b := make([]byte, 1); ; {
			if _, _, err := u.ReadFrom(b); err != nil {
				return
			}
			caught.Add(1)
		}
	}()
	return hostile.Trap{Host: l.Addr().String(), URL: "http://" + l.Addr().String()}
}

// ending is what became of one file.
type ending struct {
	status, codes string
	took          time.Duration
	faults        []string
}

// deliver sends one file and judges what becomes of it: a rendition that shows
// what the file holds, or findings with words; the original bit for bit.
func (s *siege) deliver(c *caller, id string, f hostile.File, atMost time.Duration) (e ending) {
	c.Helper()
	fault := func(format string, args ...any) { e.faults = append(e.faults, fmt.Sprintf(format, args...)) }
	content := f.Content()
	start := time.Now()
	defer func() { e.took = time.Since(start) }()
	answer := c.send(about(id, "63.10", f.Name), sent{f.Name, func() io.Reader { return bytes.NewReader(content) }})
	if answer.StatusCode != 202 {
		fault("the service answered %s", answer.Status)
		return e
	}
	submission := answer.accepted(c.T)
	var st status
	for end := start.Add(atMost); ; time.Sleep(100 * time.Millisecond) {
		st = status{}
		c.get("/v1/submissions/"+submission).want(c.T, 200).decode(c.T, &st)
		if st.Status != "received" && st.Status != "processing" {
			break
		}
		if time.Now().After(end) {
			e.status = st.Status
			fault("still %s after %s: %+v", st.Status, atMost, st.Steps)
			return e
		}
	}
	e.status = st.Status
	var codes []string
	for _, p := range st.Problems {
		if p.Code == "" || p.Detail == "" {
			fault("a finding without words: %+v", p)
		}
		if p.Code == "pending" || p.Code == "converter-killed" {
			fault("it waits for a tool that is there: %s", p.Detail)
		}
		if p.Code != "not-scanned" && !slices.Contains(codes, p.Code) {
			codes = append(codes, p.Code)
		}
	}
	e.codes = strings.Join(codes, " ")
	if st.Status != "archived" {
		if len(st.Problems) == 0 {
			fault("%s without a finding", st.Status)
		}
		return e
	}
	r := c.record(st.RecordID)
	original := r.of(preservation.Original)[0]
	if got := c.bytes(r, original.ID); !bytes.Equal(got, content) {
		fault("the original has other bytes: %d of %d", len(got), len(content))
	}
	rendered := original.Verdict == preservation.VerdictValid
	for _, h := range r.Files {
		if h.Representation == preservation.Original {
			continue
		}
		said := s.said(c, r, h)
		for _, secret := range []string{fileSecret, environmentSecret, "SKRIPTLIEF", "/bin/sh"} {
			if strings.Contains(said, secret) {
				fault("%s %s shows %q", h.ID, h.Name, secret)
			}
		}
		if h.DerivedFrom == original.ID && h.Representation == preservation.Preservation && h.Verdict == preservation.VerdictValid {
			rendered = true
			if f.Shows && !strings.Contains(said, strings.ReplaceAll(hostile.Marker, " ", "")) {
				fault("the rendition does not show the text: %.200q", said)
			}
		}
	}
	if rendered && f.Blank {
		fault("a rendition that shows nothing")
	}
	if f.Code != "" && !slices.Contains(codes, f.Code) {
		fault("no finding says %s", f.Code)
	}
	if !rendered && len(codes) == 0 {
		fault("neither a rendition nor a finding: %+v", r.Files)
	}
	if rendered {
		e.status = "archived, rendition"
	}
	return e
}

// said is the text of a file that was made, without spaces.
func (s *siege) said(c *caller, r holding, h held) string {
	c.Helper()
	content := c.bytes(r, h.ID)
	if bytes.HasPrefix(content, []byte("%PDF")) {
		cmd := exec.CommandContext(c.Context(), "pdftotext", "-enc", "UTF-8", "-l", "100", "-", "-")
		cmd.Stdin = bytes.NewReader(content)
		text, _ := cmd.Output() // what came out of a file may call itself a PDF and be none
		content = append(content, text...)
	}
	return strings.Join(strings.Fields(string(content)), "")
}

// stands wants the service to be the one that was started, nobody to have come
// to the listeners, and the secrets to be in neither log nor index nor work folder.
func (s *siege) stands(c *caller) {
	c.Helper()
	if s.in.cmd == nil || s.in.cmd.Process.Pid != s.pid {
		c.Fatal("the service is another one")
	}
	select {
	case <-s.in.ended:
		c.Fatalf("the service has ended:\n%s", s.in.log.tail(40))
	default:
	}
	if n := s.caught.Load(); n > 0 {
		c.Errorf("%d visitors at the listeners", n)
	}
	for _, secret := range []string{fileSecret, environmentSecret} {
		if s.in.log.count(secret) > 0 {
			c.Errorf("the log says %q", secret)
		}
		if found := c.find(secret); len(found) > 0 {
			c.Errorf("search finds %q: %v", secret, found)
		}
	}
	for _, p := range []string{s.trap.Secret + ".ran", "/tmp/pwned", "/tmp/bestand-was-here"} {
		if _, err := os.Stat(p); err == nil {
			c.Errorf("%s exists: something ran", p)
		}
	}
	left, err := filepath.Glob(filepath.Join(s.in.dir, "work", "*"))
	scratch, more := filepath.Glob(filepath.Join(s.in.dir, "work", "tmp", "*"))
	left, err = append(left, scratch...), errors.Join(err, more)
	left = slices.DeleteFunc(left, func(p string) bool { // the folder itself, and those of the programs that still run
		name := filepath.Base(p)
		return name == "tmp" || strings.Contains(name, "verapdf-") || strings.HasPrefix(name, "office-") || strings.HasPrefix(name, "draft-")
	})
	if err != nil || len(left) > 0 {
		c.Errorf("left in the work folder: %v %v", left, err)
	}
	if peak := memoryPeak(s.pid); peak > besiegedMemory {
		c.Errorf("the service took %d MiB", peak>>20)
	} else {
		c.Logf("the service took %d MiB at most", peak>>20)
	}
}

// memoryPeak is the most RAM that a process held (VmHWM), in bytes.
func memoryPeak(pid int) int64 {
	return processMemory(pid, "VmHWM:")
}

func processMemory(pid int, field string) int64 {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)) // none when it has ended
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, field); ok {
			kb, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kb << 10
		}
	}
	return 0
}

// TestHostile sends a part of the hostile files through the service, several in
// one record, as far as that is quick.
func TestHostile(t *testing.T) {
	t.Parallel()
	s := besiege(t)
	c := s.in.admin(t)
	quick := map[string]bool{}
	for _, name := range []string{"links.odt", "links.docx", "page.html", "refresh-file.html", "refresh-http.html", "covered.html", "crashing.html", "reaches-out.pdf", "page.eml", "entity-file.xml", "agile.docx", "crowded.docx", "60000.png", "tree-loop.pdf", "seite.pdf"} {
		quick[name] = true
	}
	var group sync.WaitGroup
	slots := make(chan struct{}, 4)
	for i, f := range hostile.Files(s.trap) {
		if !quick[f.Name] {
			continue
		}
		group.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			e := s.deliver(c, fmt.Sprint("hostile-", i), f, 2*time.Minute)
			for _, fault := range e.faults {
				t.Errorf("%s: %s", f.Name, fault)
			}
		})
	}
	group.Wait()
	s.stands(c)
}

// hostileTime is how long a file of the campaign may take, with 10 s for each that it
// holds: several limits on processor time one after the other, on a busy machine.
func hostileTime(f hostile.File) time.Duration {
	return 30*time.Minute + time.Duration(f.Holds)*10*time.Second
}

// hostileDone returns the lines of files that a campaign before has judged, by group
// and name. A file at fault is sent again.
func hostileDone(log string) map[string]string {
	done := map[string]string{}
	b, _ := os.ReadFile(log) // none: the campaign begins
	last := ""
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) == 0 || f[0] == "FAULT" {
			delete(done, last)
			continue
		}
		// A group's name may be of several words; the size and what follows is of numbers.
		if i := slices.IndexFunc(f, func(w string) bool { _, err := strconv.Atoi(w); return err == nil }); i > 1 {
			last = strings.Join(f[:i], " ")
			done[last] = line
		}
	}
	return done
}

// TestFaultHostile sends every hostile file through the service, one after the
// other, and prints what became of each, whatever happens. With BESTAND_HOSTILE_LOG=FILE
// it goes on where a campaign that was cut off stopped.
func TestFaultHostile(t *testing.T) {
	if os.Getenv("BESTAND_FAULT") != "1" {
		t.Skip("a campaign: set BESTAND_FAULT=1")
	}
	s := besiege(t)
	c := s.in.admin(t)
	files := slices.Concat(hostile.Files(s.trap), hostile.Packages(s.trap), hostile.Damaged(s.trap), passworded(t))
	only := os.Getenv("BESTAND_HOSTILE") // part of a group's or file's name
	log := os.Getenv("BESTAND_HOSTILE_LOG")
	done := hostileDone(log)
	var table strings.Builder
	outcomes, faults := map[string]int{}, 0
	defer func() { t.Logf("%d files: %v, %d faults\n%s", len(files), outcomes, faults, table.String()) }()
	fmt.Fprintf(&table, "%-14s %-28s %9s %-20s %7s %7s %7s  %s\n", "group", "file", "bytes", "outcome", "time", "service", "tools", "findings")
	for i, f := range files {
		if only != "" && !strings.Contains(f.Group+"/"+f.Name, only) || f.Heavy && os.Getenv("BESTAND_HOSTILE_HEAVY") == "0" {
			continue
		}
		if line, ok := done[f.Group+" "+f.Name]; ok {
			outcomes["judged before"]++
			table.WriteString(line)
			continue
		}
		os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", s.pid), []byte("5"), 0) // the peak begins anew, where the kernel lets us
		tools := watchTools(t.Context(), s.pid)
		e := s.deliver(c, fmt.Sprint("hostile-", i), f, hostileTime(f))
		outcomes[e.status]++
		fmt.Fprintf(&table, "%-14s %-28s %9d %-20s %6.1fs %4d MB %4d MB  %s\n", f.Group, f.Name, len(f.Content()), e.status, e.took.Seconds(),
			memoryPeak(s.pid)>>20, tools()>>20, e.codes)
		if peak := memoryPeak(s.pid); peak > besiegedMemory {
			e.faults = append(e.faults, fmt.Sprintf("the service took %d MiB", peak>>20))
		}
		faults += len(e.faults)
		for _, fault := range e.faults {
			t.Errorf("%s/%s: %s", f.Group, f.Name, fault)
			fmt.Fprintf(&table, "  FAULT %s\n", fault)
		}
		if log != "" {
			os.WriteFile(log, []byte(table.String()), 0o600)
		}
	}
	s.stands(c)
}

// passworded encrypts a good PDF in the ways of qpdf: one that asks for a password
// gets no rendition, one that merely restricts its use shows what it holds.
func passworded(t *testing.T) (all []hostile.File) {
	t.Helper()
	i := slices.IndexFunc(hostile.Files(hostile.Trap{}), func(f hostile.File) bool { return f.Name == "outline-loop.pdf" })
	dir := t.TempDir()
	good := filepath.Join(dir, "good.pdf")
	if err := os.WriteFile(good, hostile.Files(hostile.Trap{})[i].Content(), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, how := range []struct{ name, user, bits string }{
		{"user-40", "geheim", "40"}, {"user-128", "geheim", "128"}, {"user-256", "geheim", "256"},
		{"owner-40", "", "40"}, {"owner-128", "", "128"}, {"owner-256", "", "256"},
	} {
		made := filepath.Join(dir, how.name+".pdf")
		out, err := exec.Command(tool(t, "qpdf"), "--allow-weak-crypto", "--encrypt", how.user, "inhaber", how.bits, "--", good, made).CombinedOutput()
		if err != nil && len(out) == 0 {
			t.Fatal(err)
		}
		content, err := os.ReadFile(made)
		if err != nil {
			t.Fatalf("qpdf: %v: %s", err, out)
		}
		all = append(all, hostile.File{Group: "encrypted", Name: how.name + ".pdf", Content: func() []byte { return content }, Shows: how.user == "", Code: map[bool]string{true: "restricted", false: "encrypted"}[how.user == ""]})
	}
	return all
}

// watchTools looks at the descendants of the service until the result is called,
// which returns the most memory that they held at a time.
func watchTools(ctx context.Context, pid int) (peak func() int64) {
	ctx, stop := context.WithCancel(ctx)
	var most int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			var sum int64
			for _, p := range offspring(pid) {
				sum += processMemory(p, "VmRSS:")
			}
			most = max(most, sum)
			select {
			case <-ctx.Done():
				return
			case <-time.After(100 * time.Millisecond):
			}
		}
	}()
	return func() int64 { stop(); <-done; return most }
}

// offspring lists the descendants of a process.
func offspring(pid int) (all []int) {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid)) // the pattern is well-formed
	for _, l := range lists {
		b, _ := os.ReadFile(l) // none when it has ended
		for _, f := range strings.Fields(string(b)) {
			if p, err := strconv.Atoi(f); err == nil {
				all = append(append(all, p), offspring(p)...)
			}
		}
	}
	return all
}
