package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/retention"
)

// faultRounds is how often a campaign does what it does.
func faultRounds(t *testing.T, usual int) int {
	t.Helper()
	if os.Getenv("BESTAND_FAULT") != "1" {
		t.Skip("a campaign: set BESTAND_FAULT=1, or make fault")
	}
	if n, err := strconv.Atoi(os.Getenv("BESTAND_ROUNDS")); err == nil {
		return n
	}
	return usual
}

// TestFaultKill kills the service, its object store and its converters a thousand
// times while deliveries of every kind come, records are destroyed and the catalog
// is restored from the bucket. In between it compares what senders were told with
// bucket, catalog and index.
func TestFaultKill(t *testing.T) {
	rounds := faultRounds(t, 1000)
	converters(t)
	const side = 3 // installations at a time
	all := &tally{kinds: map[string]*row{}}
	t.Run("rounds", func(t *testing.T) {
		for i := range side {
			t.Run(fmt.Sprint(i+1), func(t *testing.T) {
				t.Parallel()
				newCampaign(t, fmt.Sprint(i+1), all).run(rounds / side)
			})
		}
	})
	t.Log(all.table())
}

// tally counts what was done and found.
type tally struct {
	mu                                               sync.Mutex
	kinds                                            map[string]*row
	groups, deliveries, receipts, records, explained int
	destroyed, rebuilt, differences                  int
}

// row is one kind of kill.
type row struct {
	rounds, hit int
	found       []string
}

func (a *tally) add(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f()
}

func (a *tally) round(kind string, hit bool, found ...string) {
	a.add(func() {
		r := a.kinds[kind]
		if r == nil {
			r = &row{}
			a.kinds[kind] = r
		}
		if r.rounds++; hit {
			r.hit++
		}
		r.found = append(r.found, found...)
	})
}

func (a *tally) table() string {
	var b strings.Builder
	names := make([]string, 0, len(a.kinds))
	rounds := 0
	for name, r := range a.kinds {
		names = append(names, name)
		rounds += r.rounds
	}
	slices.Sort(names)
	fmt.Fprintf(&b, "\n%-34s %6s %6s  %s\n", "killed", "rounds", "met", "found")
	for _, name := range names {
		r := a.kinds[name]
		found := "nothing"
		if len(r.found) > 0 {
			found = strings.Join(r.found, "; ")
		}
		fmt.Fprintf(&b, "%-34s %6d %6d  %s\n", name, r.rounds, r.hit, found)
	}
	fmt.Fprintf(&b, "%d rounds in %d groups; %d deliveries acknowledged, %d receipts and %d records compared; %d records destroyed, %d rebuilds; %d renditions pending with a finding; %d differences\n",
		rounds, a.groups, a.deliveries, a.receipts, a.records, a.destroyed, a.rebuilt, a.explained, a.differences)
	return b.String()
}

// campaign is one installation that is being killed.
type campaign struct {
	*testing.T
	*installation
	all    *tally
	load   *load
	random *rand.Rand
	tmp    string
	turn   map[string]int
	proof  map[string][]string // of destroyed records

	orphans []string // processes of a service that was killed
}

// Errorf counts what is wrong.
func (c *campaign) Errorf(format string, args ...any) {
	c.Helper()
	c.all.add(func() { c.all.differences++ })
	c.T.Errorf(format, args...)
}

func newCampaign(t *testing.T, name string, all *tally) *campaign {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String() // the same at every start, so that senders find it
	l.Close()
	seed := uint64(time.Now().UnixNano())
	t.Log("seed", seed)
	c := &campaign{T: t, all: all, random: rand.New(rand.NewPCG(seed, 1)), turn: map[string]int{}, proof: map[string][]string{}, tmp: t.TempDir(),
		installation: install(t, "--listen", address, "--lock-mode", string(preservation.Governance), "--dispose-max-share", "1")}
	c.env = []string{"TMPDIR=" + c.tmp}
	c.load = &load{name: name}
	c.serve(t)
	c.renew()
	newOffice(c.admin(t)).permit(t, true, parentContacts)
	return c
}

// renew tells the senders where the service is and by which token.
func (c *campaign) renew() {
	a := c.admin(c.T)
	c.load.mu.Lock()
	defer c.load.mu.Unlock()
	c.load.url, c.load.token = a.url, a.token
}

const perGroup = 40

// run kills in groups; after each it compares.
func (c *campaign) run(rounds int) {
	end, limited := c.Deadline()
	for group := 0; group*perGroup < rounds; group++ {
		begin := time.Now()
		if limited && time.Until(end) < 6*time.Minute {
			c.Logf("stopped after %d rounds: the time is over", group*perGroup)
			break
		}
		ctx, stop := context.WithCancel(c.Context())
		var senders sync.WaitGroup
		for range 3 {
			senders.Go(func() { c.load.run(ctx, c.T) })
		}
		plan := c.plan(min(perGroup, rounds-group*perGroup))
		for _, kill := range plan {
			if c.cmd == nil {
				c.start(c.T)
			}
			kill()
			if c.Failed() && len(c.load.lost) > 20 {
				break
			}
		}
		killed := time.Since(begin).Round(time.Second)
		if c.cmd == nil {
			c.installation.serve(c.T)
		} else {
			c.up()
		}
		stop()
		senders.Wait()
		c.compare(group)
		c.Logf("group %d: killed for %s, compared for %s", group+1, killed, (time.Since(begin) - killed).Round(time.Second))
	}
	c.stop(c.T)
}

// plan is a mixture of all kinds of kills in an order of chance.
func (c *campaign) plan(n int) (kills []func()) {
	for i := range n {
		switch i % (perGroup / 2) {
		case 0, 1, 2, 3:
			kills = append(kills, c.atBoundary)
		case 4, 5:
			kills = append(kills, c.anytime)
		case 6, 7, 8, 9:
			kills = append(kills, c.store)
		case 10:
			kills = append(kills, func() { c.both("store, then service", func() { c.killStore(c.T) }) })
		case 11:
			kills = append(kills, func() { c.both("converter, then service", func() { c.hunt(3 * time.Second) }) })
		case 12:
			kills = append(kills, func() {
				c.up()
				hit := c.hunt(3*time.Second) != ""
				c.killStore(c.T)
				c.all.round("converter, then store", hit)
				c.up()
			})
		default:
			kills = append(kills, c.converter)
		}
	}
	c.random.Shuffle(len(kills), func(i, j int) { kills[i], kills[j] = kills[j], kills[i] })
	return kills
}

func (c *campaign) next(what string, n int) int {
	c.turn[what]++
	return (c.turn[what] - 1) % n
}

// up waits until the service is ready.
func (c *campaign) up() {
	c.Helper()
	for end := time.Now().Add(2 * time.Minute); ; pause(c.Context(), 20*time.Millisecond) {
		if r, err := c.load.do(c.Context(), "GET", "/readyz", nil); err == nil && r.StatusCode == 200 {
			if left := remain(c.orphans); len(left) > 0 {
				c.Errorf("still run after the next start: %q", left)
			}
			c.orphans = nil
			return
		}
		select {
		case <-c.ended:
			c.Errorf("the service ended:\n%s", c.log.tail(20))
			c.cmd = nil
			c.start(c.T)
		default:
		}
		if time.Now().After(end) {
			c.Fatalf("the service is not ready after two minutes:\n%s", c.log.tail(40))
		}
	}
}

// atBoundary has the service die between two steps of the pipeline.
func (c *campaign) atBoundary() {
	step := boundaries[c.next("boundary", len(boundaries))]
	c.die("service")
	c.env = append(c.env, killVariable+"="+step)
	c.start(c.T)
	hit := true
	select {
	case <-c.ended:
	case <-time.After(40 * time.Second):
		hit = false
	}
	c.env = c.env[:len(c.env)-1]
	c.all.round("service after "+step, hit, c.die("")...)
	c.start(c.T)
}

// anytime kills the service at a moment of no meaning, now and then while it
// destroys records or still starts.
func (c *campaign) anytime() {
	what := []string{"service at work", "service while it starts", "service while it destroys"}[c.next("anytime", 3)]
	if !strings.HasSuffix(what, "starts") {
		c.up()
	}
	if strings.HasSuffix(what, "destroys") {
		c.ask(retention.JobEvaluate, retention.JobDispose)
	}
	time.Sleep(time.Duration(c.random.IntN(2000)) * time.Millisecond)
	c.all.round(what, true, c.die("service")...)
	c.start(c.T)
}

// ask enqueues jobs and does not wait for them.
func (c *campaign) ask(kinds ...string) {
	db, err := catalog.Open(c.Context(), catalog.Config{URL: "sqlite:" + filepath.Join(c.dir, "catalog.db")})
	if err != nil {
		c.Error(err)
		return
	}
	defer db.Close()
	for _, kind := range kinds {
		if err := db.Tenant(firstTenant).Enqueue(c.Context(), catalog.Job{Kind: kind, Key: "test"}); err != nil {
			c.Error(err)
		}
	}
}

// store kills the object store under the service.
func (c *campaign) store() {
	c.up()
	time.Sleep(time.Duration(c.random.IntN(1500)) * time.Millisecond)
	c.killStore(c.T)
	c.all.round("object store", true)
	c.up()
}

func (c *campaign) both(kind string, first func()) {
	c.up()
	first()
	time.Sleep(time.Duration(c.random.IntN(300)) * time.Millisecond)
	c.all.round(kind, true, c.die("service")...)
	c.start(c.T)
}

// die kills the service and sees that nothing it started outlives it.
func (c *campaign) die(what string) (found []string) {
	var children []string
	if what != "" {
		for _, pid := range proc(c.cmd.Process.Pid) {
			children = append(children, born(pid))
		}
		c.cmd.Process.Kill()
	}
	select {
	case <-c.ended:
	case <-time.After(20 * time.Second):
		c.cmd.Process.Kill()
		<-c.ended
	}
	if code := c.cmd.ProcessState.ExitCode(); code != -1 {
		c.Errorf("the service ended by itself with %d:\n%s", code, c.log.tail(10))
	}
	c.cmd = nil
	left := remain(children)
	if len(left) == 0 {
		return nil
	}
	// Bubblewrap can be hit before it has asked to die with who started it.
	c.orphans = append(c.orphans, left...)
	return []string{fmt.Sprintf("%d processes until the next start", len(left))}
}

// remain waits for the end of processes and returns those that do not end.
func remain(all []string) []string {
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		all = slices.DeleteFunc(all, func(b string) bool {
			pid, _, _ := strings.Cut(b, " ")
			n, _ := strconv.Atoi(pid)
			return b == "" || born(n) != b
		})
		if len(all) == 0 || time.Now().After(end) {
			return all
		}
	}
}

// born names a process by its number, its name and when it was started; empty when
// it is none or only waits to be buried.
func born(pid int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	name, rest, ok := strings.Cut(string(text), ") ")
	f := strings.Fields(rest)
	if err != nil || !ok || len(f) < 20 || f[0] == "Z" || f[0] == "X" {
		return ""
	}
	return name + ") " + f[19]
}

// preys are the programs that convert and judge, by the name that the kernel has
// for them or by a word of their command line.
var preys = []string{"soffice.bin", "java", "gs", "--print-to-pdf", "pdftotext", "qpdf", "oosplash", "pdftoppm", "--type=renderer", "xmllint", "bwrap", "pdfinfo",
	"convert-child", "image-child", "--type=zygote", "pdfdetach"}

// converter kills a program while it works.
func (c *campaign) converter() {
	c.up()
	what := c.hunt(15 * time.Second)
	if what == "" {
		c.all.round("converter: none at work", false)
		return
	}
	c.all.round("converter "+strings.TrimLeft(what, "-"), true)
}

// hunt waits for a converter below the service and kills it after a moment, the
// longer ones somewhere in their work. It goes for those that it has met least.
func (c *campaign) hunt(atMost time.Duration) string {
	begin := time.Now()
	for time.Since(begin) < atMost {
		best := ""
		at := 0
		for _, pid := range proc(c.cmd.Process.Pid) {
			for _, what := range preys {
				if called(pid, what) && (best == "" || c.turn[what] < c.turn[best]) {
					best, at = what, pid
				}
			}
		}
		if best == "" || time.Since(begin) < atMost/4 && c.turn[best] > c.turn["kills"]/len(preys) {
			time.Sleep(2 * time.Millisecond)
			continue
		}
		switch best {
		case "soffice.bin", "gs", "--print-to-pdf", "--type=renderer", "bwrap":
			time.Sleep(time.Duration(c.random.IntN(300)) * time.Millisecond)
		}
		if syscall.Kill(at, syscall.SIGKILL) == nil {
			c.turn[best]++
			c.turn["kills"]++
			return best
		}
	}
	return ""
}

func called(pid int, what string) bool {
	if strings.Contains(what, "-") {
		line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		return err == nil && strings.Contains(string(line), what) && !strings.HasPrefix(string(line), "/usr/bin/bwrap")
	}
	comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return err == nil && strings.TrimSpace(string(comm)) == what
}

// compare lets everything come to rest and holds what senders were told against
// bucket, catalog, index and disk.
func (c *campaign) compare(group int) {
	ctx := c.Context()
	a := c.admin(c.T)
	l := c.load
	for _, d := range l.sent { // what was not acknowledged is sent once more
		if d.submission == "" || !d.checked && d.n%3 == 0 && !d.destroy { // a destroyed record may be sent anew
			l.deliver(ctx, d)
		}
	}
	for _, d := range l.sent {
		if !d.checked && d.submission != "" {
			c.settle(a, d)
		}
	}
	c.enqueue(c.T, retention.JobEvaluate)
	c.enqueue(c.T, retention.JobDispose) // what a killed run began is brought to its end
	c.done(retention.JobEvaluate, retention.JobDispose)
	c.sweep(c.T)
	c.expireUploads()
	claims := c.claims(a)
	c.indexed(a)
	c.installation.proof = map[string]bool{}
	for id := range c.proof {
		keys := c.keys(c.T, preservation.EventPrefix(preservation.RecordID(id)))
		if len(keys) != 2 {
			c.Errorf("%v stays of the destroyed record %s, want intent and tombstone", keys, id)
		}
		for _, k := range keys {
			c.installation.proof[k] = true
		}
	}
	records := c.audit(c.T, func(a *archive) { c.claimed(a, claims) })
	source := map[string]int{}
	for _, r := range records {
		source[r.Metadata.ProducerRecordID]++
	}
	for id, n := range source {
		if n > 1 {
			c.Errorf("%d records of %s", n, id)
		}
	}
	c.clean()
	for _, lost := range l.lost {
		c.Error(lost)
	}
	l.lost = nil
	c.all.add(func() { c.all.groups++ })
	if group%6 == 5 {
		c.rebuild()
	}
	c.installation.serve(c.T)
	c.renew()
}

// done waits until jobs are done, also those that wait because something was away
// when they ran last.
func (c *campaign) done(kinds ...string) {
	c.Helper()
	db, err := catalog.Open(c.Context(), catalog.Config{URL: "sqlite:" + filepath.Join(c.dir, "catalog.db")})
	if err != nil {
		c.Fatal(err)
	}
	defer db.Close()
	const longest = 90 * time.Second // of such a wait; who waits longer waits by its own wish
	for _, kind := range kinds {
		for end := time.Now().Add(2 * longest); ; pause(c.Context(), 100*time.Millisecond) {
			j, err := db.Tenant(firstTenant).JobOf(c.Context(), kind, "test")
			if errors.Is(err, catalog.ErrNotFound) || err == nil && j.RunAt.After(db.Now().Add(longest)) {
				break
			}
			if err != nil || j.Dead || time.Now().After(end) {
				c.Errorf("job %s: %s, %v", kind, j.Error, err)
				break
			}
		}
	}
}

// settle waits for the end of a delivery and wants it to be a good one.
func (c *campaign) settle(a *caller, d *handover) {
	d.checked = true
	var s struct {
		status
		Records []struct {
			RecordID string `json:"record_id"`
		}
	}
	for end := time.Now().Add(4 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		a.get("/v1/submissions/"+d.submission).want(c.T, 200).decode(c.T, &s)
		if s.Status != "received" && s.Status != "processing" {
			break
		}
		if time.Now().After(end) {
			c.Errorf("%s %s is still %s: %+v", d.kind, d.id, s.Status, s)
			return
		}
		s.Status = ""
	}
	if s.Status != "archived" {
		c.Errorf("%s %s is %s: %+v", d.kind, d.id, s.Status, s)
		return
	}
	var records []string
	for _, r := range s.Records {
		records = append(records, r.RecordID)
	}
	if s.RecordID != "" && len(records) == 0 {
		records = []string{s.RecordID}
	}
	if d.records != nil && !slices.Equal(records, d.records) {
		c.Errorf("%s %s had records %v and has %v", d.kind, d.id, d.records, records)
	}
	d.records = records
	c.all.add(func() { c.all.deliveries++ })
	if len(d.records) != 1 {
		c.Errorf("%s %s has records %v", d.kind, d.id, d.records)
		return
	}
	answer := a.get("/v1/records/" + d.records[0])
	if d.destroy && answer.StatusCode == 410 {
		return
	}
	var r holding
	answer.want(c.T, 200).decode(c.T, &r)
	a.verified(r.ID)
	valid, pending := 0, 0
	for _, f := range r.Files {
		switch {
		case f.Verdict == preservation.VerdictValid:
			valid++
		case f.Verdict == preservation.VerdictPending && slices.ContainsFunc(append(s.Problems, c.problems(a, s.Records)...), func(p preservation.Finding) bool { return p.Code == "converter-killed" }):
			pending++
		}
	}
	if valid+pending < d.renditions {
		c.Errorf("%s %s: %d valid renditions, want %d: %+v\n%+v", d.kind, d.id, valid, d.renditions, r.Files, s)
	}
	c.all.add(func() { c.all.explained += pending; c.all.records++ })
	originals := r.of(preservation.Original)
	if d.metadata != nil && len(originals) != len(d.files) {
		c.Errorf("%s %s: %d originals of %d files", d.kind, d.id, len(originals), len(d.files))
		return
	}
	for i, f := range originals {
		if d.metadata == nil {
			break
		}
		if want := sumOf(d.files[i]); f.SHA256 != want || f.Name != d.files[i].name {
			c.Errorf("%s %s: %s has SHA-256 %s, %s was sent", d.kind, d.id, f.Name, f.SHA256, want)
		}
	}
	once := map[string]int{}
	for _, e := range a.events(r.ID) {
		once[string(e.Type)]++
	}
	for _, kind := range []preservation.EventType{preservation.EventReceive, preservation.EventPackage, preservation.EventStore} {
		if once[string(kind)] != 1 && r.Version == 1 {
			c.Errorf("%s %s: %d events %q", d.kind, d.id, once[string(kind)], kind)
		}
	}
}

// problems are the findings of the records of a package.
func (c *campaign) problems(a *caller, records []struct {
	RecordID string `json:"record_id"`
}) (all []preservation.Finding) {
	for _, r := range records {
		for _, e := range a.events(r.RecordID) {
			all = append(all, preservation.Finding{Code: e.Code})
		}
	}
	return all
}

// expireUploads lets a week pass for what lies there.
func (c *campaign) expireUploads() {
	dir := filepath.Join(c.dir, "uploads")
	old := time.Now().AddDate(0, 0, -8)
	each(dir, func(path string) { os.Chtimes(path, old, old) })
	c.enqueue(c.T, "expire-uploads")
	each(dir, func(path string) { c.Errorf("left of uploads: %s", path) })
}

// each visits the files below a folder.
func each(dir string, visit func(path string)) {
	filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			visit(path)
		}
		return nil
	})
}

// clean wants a stopped installation to have nothing of its work left.
func (c *campaign) clean() {
	for _, dir := range []string{filepath.Join(c.dir, "work"), c.tmp} {
		entries, _ := os.ReadDir(dir)
		for _, e := range entries {
			if inner, _ := os.ReadDir(filepath.Join(dir, e.Name())); e.Name() != "tmp" || len(inner) > 0 {
				c.Errorf("left in %s: %s %v", dir, e.Name(), inner)
			}
		}
	}
	each(filepath.Join(c.dir, "objects"), func(path string) {
		if strings.Contains(path, "/.sgwtmp/") && !strings.Contains(path, "/bestand-probe/") { // parts of a probe of the start that was killed: no records
			c.Errorf("left by the object store: %s", path)
		}
	})
}

// rebuild loses catalog and index and restores both from the bucket.
func (c *campaign) rebuild() {
	for _, pattern := range []string{"catalog.db*", "index", tokenFile, "work", "uploads"} {
		found, _ := filepath.Glob(filepath.Join(c.dir, pattern))
		for _, path := range found {
			if err := os.RemoveAll(path); err != nil {
				c.Error(err)
			}
		}
	}
	if out, complaint, code := program(c.T, append([]string{"rebuild", "--data", c.dir}, c.flags...)...); code != 0 {
		c.Errorf("rebuild: exit code %d\n%s%s", code, out, complaint)
	}
	for _, d := range c.load.sent {
		if !d.destroyed {
			d.checked = false // all of it is compared again
		}
	}
	c.all.add(func() { c.all.rebuilt++ })
}
