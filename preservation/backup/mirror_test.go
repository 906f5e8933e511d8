package backup_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/backup"
	"bestand/preservation/catalog"
	"bestand/preservation/ledger"
	"bestand/retention"
)

// world is a bucket in memory in which things go on while it is read: before each
// answer a few of the steps that are waiting.
type world struct {
	mu      sync.Mutex
	chance  *rand.Rand
	objects map[string][]byte
	waiting [][]func() // of each thing that goes on the steps that are left
	pace    int        // turns for a step
	serial  int
}

func newWorld(seed uint64) *world {
	return &world{chance: rand.New(rand.NewPCG(seed, 1)), objects: map[string][]byte{}, pace: 1 + int(seed%6)}
}

// turn lets the world go on.
func (w *world) turn() {
	if len(w.waiting) > 0 && w.chance.IntN(w.pace) == 0 {
		i := w.chance.IntN(len(w.waiting))
		w.waiting[i][0]()
		if w.waiting[i] = w.waiting[i][1:]; len(w.waiting[i]) == 0 {
			w.waiting = slices.Delete(w.waiting, i, i+1)
		}
	}
}

func (w *world) id() string {
	w.serial++
	return preservation.NewID(time.Now().Add(time.Duration(w.chance.Int64N(int64(time.Hour))) - 30*time.Minute))
}

func (w *world) happen(id preservation.RecordID, e preservation.Event, body any) {
	raw, _ := json.Marshal(body)
	data, _, err := preservation.EventObject{Record: id, Event: e, Body: raw}.Encode()
	if err != nil {
		panic(err)
	}
	w.objects[preservation.EventKey(id, e.ID)] = data
}

// arrive has a version of a record come: its package, then its receipt.
func (w *world) arrive(id preservation.RecordID, version int) []func() {
	key, event := preservation.PackageKey(id, version), w.id()
	return []func(){
		func() { w.objects[key] = []byte("package " + key) },
		func() {
			w.happen(id, preservation.Event{ID: event, Type: preservation.EventStore}, ledger.Receipt{Submission: preservation.SubmissionID(event), Package: key})
		},
	}
}

// moved has a record go to another class.
func (w *world) moved(id preservation.RecordID) []func() {
	event := w.id()
	return []func(){func() { w.happen(id, preservation.Event{ID: event, Type: preservation.EventReclassify}, nil) }}
}

// takeOver has a record taken over in a disposal run: its trigger is written, then the
// document that says so.
func (w *world) takeOver(id preservation.RecordID) []func() {
	event := w.id()
	return []func(){
		func() { w.happen(id, preservation.Event{ID: event, Type: preservation.EventRetention}, nil) },
		func() {
			data, _, err := preservation.ConfigObject{Kind: "disposal-run", Name: preservation.EventKey(id, event), Version: 1}.Encode()
			if err != nil {
				panic(err)
			}
			w.objects[preservation.ConfigKey(event)] = data
		},
	}
}

// destroy has a record destroyed, or its destruction called off.
func (w *world) destroy(id preservation.RecordID, off bool) []func() {
	intent, outcome := preservation.NewID(time.Now()), preservation.NewID(time.Now().Add(time.Millisecond))
	stone := catalog.Tombstone{Record: id, Intent: preservation.EventKey(id, intent), Key: preservation.EventKey(id, outcome)}
	var packages []string
	for key := range w.objects {
		if strings.HasPrefix(key, preservation.PackagePrefix(id)) {
			packages = append(packages, key)
		}
	}
	slices.Sort(packages)
	steps := []func(){func() {
		w.happen(id, preservation.Event{ID: intent, Type: preservation.EventIntent}, retention.Intent{Disposal: outcome, Packages: packages, Tombstone: stone})
	}}
	if off {
		return append(steps, func() {
			w.happen(id, preservation.Event{ID: outcome, Type: preservation.EventIntent, Outcome: preservation.Failure}, nil)
		})
	}
	for _, key := range slices.Backward(packages) {
		steps = append(steps, func() { delete(w.objects, key) })
	}
	return append(steps, func() {
		maps.DeleteFunc(w.objects, func(key string, _ []byte) bool {
			return strings.HasPrefix(key, preservation.EventPrefix(id)) && key != stone.Intent
		})
	}, func() { w.happen(id, preservation.Event{ID: outcome, Type: preservation.EventDelete}, stone) })
}

func (w *world) Versions(_ context.Context, prefix string) iter.Seq2[preservation.Object, error] {
	return func(yield func(preservation.Object, error) bool) {
		for last := ""; ; { // one at a time, as they are by then
			w.mu.Lock()
			w.turn()
			next := ""
			for key := range w.objects {
				if strings.HasPrefix(key, prefix) && key > last && (next == "" || key < next) {
					next = key
				}
			}
			o := w.describe(next)
			w.mu.Unlock()
			if last = next; next == "" || !yield(o, nil) {
				return
			}
		}
	}
}

func (w *world) describe(key string) preservation.Object {
	sum := sha256.Sum256(w.objects[key])
	return preservation.Object{Key: key, VersionID: "1", Size: int64(len(w.objects[key])), Modified: time.Now(), Latest: true, SHA256: hex.EncodeToString(sum[:])}
}

func (w *world) Stat(_ context.Context, key, _ string) (preservation.Object, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.turn()
	if _, ok := w.objects[key]; !ok {
		return preservation.Object{}, preservation.ErrNotFound
	}
	return w.describe(key), nil
}

func (w *world) Get(_ context.Context, key, _ string) (preservation.Object, io.ReadCloser, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.turn()
	body, ok := w.objects[key]
	if !ok {
		return preservation.Object{}, nil, preservation.ErrNotFound
	}
	return w.describe(key), io.NopCloser(bytes.NewReader(body)), nil
}

func (w *world) Open(ctx context.Context, key, version string, _, _ int64) (io.ReadCloser, error) {
	_, r, err := w.Get(ctx, key, version)
	return r, err
}

func (w *world) Tail(context.Context, string, string, int64) (preservation.Object, io.ReadCloser, error) {
	panic("a backup reads objects whole")
}

// A backup writes nothing.
func (w *world) Put(context.Context, string, io.Reader, preservation.PutOptions) (preservation.Object, error) {
	panic("a backup writes")
}
func (w *world) Extend(context.Context, string, string, preservation.Lock) error {
	panic("a backup locks")
}
func (w *world) SetHold(context.Context, string, string, bool) error { panic("a backup holds") }

// TestRunIsWhole backs up a bucket in which records come, change and go at every moment.
// In the run each is alive with all that belongs to it, or destroyed with the proof of
// it, and never half.
func TestRunIsWhole(t *testing.T) {
	for seed := range uint64(48) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			runThrice(t, seed)
		})
	}
}

// runThrice makes three runs, each of which goes on from the one before.
func runThrice(t *testing.T, seed uint64) {
	w := newWorld(seed)
	folder, err := backup.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var alive []preservation.RecordID
	now := func(steps []func()) {
		for _, do := range steps {
			do()
		}
	}
	var before *backup.Run
	gone := map[preservation.RecordID]bool{} // by now
	for round := range 3 {
		for range 6 {
			id := preservation.RecordID(w.id())
			alive = append(alive, id)
			now(w.arrive(id, 1))
		}
		w.chance.Shuffle(len(alive), func(i, j int) { alive[i], alive[j] = alive[j], alive[i] })
		going, off, growing, moving, taken := alive[0:3], alive[3], alive[4], alive[5], alive[6:]
		kept := slices.Clone(alive[4:]) // nothing is ever taken from these
		for _, id := range going {
			w.waiting = append(w.waiting, w.destroy(id, false))
		}
		version := 0
		for key := range w.objects {
			if strings.HasPrefix(key, preservation.PackagePrefix(growing)) {
				version++
			}
		}
		fresh := preservation.RecordID(w.id())
		w.waiting = append(w.waiting, w.destroy(off, true), w.arrive(growing, version+1), w.moved(moving), w.arrive(preservation.RecordID(w.id()), 1),
			slices.Concat(w.arrive(fresh, 1), []func(){func() { w.waiting = append(w.waiting, w.destroy(fresh, false)) }}))
		for _, id := range taken {
			w.waiting = append(w.waiting, w.takeOver(id))
		}
		alive = alive[3:]

		run, err := folder.Begin(time.Now())
		if err != nil {
			t.Fatal(err)
		}
		m := backup.Mirror{Run: run, Before: before, Remains: retention.Remains, Begun: retention.Begun, Stays: retention.IsProof, Patience: time.Minute, Now: time.Now}
		report, err := m.Bucket(t.Context(), "t", w)
		ending := func(f preservation.Finding) bool { return f.Code == backup.CodeEnding } // with copies of a run before
		if err != nil || len(report.Failed) > 0 || len(slices.DeleteFunc(report.Notices, ending)) > 0 {
			t.Fatalf("round %d: %v %+v", round, err, report)
		}
		if err := errorsOf(run, kept, gone); err != "" {
			t.Errorf("round %d: %s", round, err)
		}
		for d, err := range run.Documents("t", "disposal-run") {
			proof := func(e backup.Entry) bool {
				return e.Key == d.Name || e.Tombstone != nil && strings.HasPrefix(d.Name, preservation.EventPrefix(e.Tombstone.Record))
			}
			if err != nil || !among(run, proof) {
				t.Errorf("round %d: a record was taken over, and its trigger %s is not in the run: %v", round, d.Name, err)
			}
		}
		for before = run; len(w.waiting) > 0; {
			w.turn()
		}
		for _, id := range append(slices.Clone(going), fresh) {
			gone[id] = true
		}
	}
	if err := folder.Close(); err != nil {
		t.Fatal(err)
	}
}

func among(run *backup.Run, of func(backup.Entry) bool) bool {
	for e, err := range run.Entries("t") {
		if err == nil && of(e) {
			return true
		}
	}
	return false
}

// errorsOf says what is not as it must be in a run.
func errorsOf(run *backup.Run, kept []preservation.RecordID, gone map[preservation.RecordID]bool) string {
	type record struct {
		packages, receipts, wanted map[string]bool
		tombstone, intent          bool
	}
	all := map[preservation.RecordID]*record{}
	last := ""
	for e, err := range run.Entries("t") {
		if err != nil {
			return err.Error()
		}
		if e.Key <= last {
			return fmt.Sprintf("%s comes behind %s", e.Key, last)
		}
		if last = e.Key; strings.HasPrefix(last, "cfg/") {
			continue
		}
		id := preservation.RecordID(strings.Split(e.Key, "/")[len(strings.Split(e.Key, "/"))-2])
		r := all[id]
		if r == nil {
			r = &record{map[string]bool{}, map[string]bool{}, map[string]bool{}, false, false}
			all[id] = r
		}
		switch {
		case strings.HasPrefix(e.Key, "aip/"):
			r.packages[e.Key] = true
		case e.Tombstone != nil:
			r.tombstone = true
		case e.Intent:
			r.intent = true
		case e.Vouches != "":
			r.receipts[e.Vouches] = true
		}
		for _, key := range e.Purging {
			r.wanted[key] = true
		}
	}
	for id, r := range all {
		switch {
		case r.tombstone && (!r.intent || len(r.packages)+len(r.receipts) > 0):
			return fmt.Sprintf("record %s is destroyed and has %v", id, r)
		case !r.tombstone && gone[id]:
			return fmt.Sprintf("record %s was destroyed, and has no tombstone", id)
		case !r.tombstone && (len(r.packages) == 0 || !maps.Equal(r.packages, r.receipts)):
			return fmt.Sprintf("record %s lives with %d packages, %d receipts, intent %t", id, len(r.packages), len(r.receipts), r.intent)
		}
		for key := range r.wanted {
			if !r.tombstone && !r.packages[key] {
				return fmt.Sprintf("record %s lacks %s, which was to be destroyed", id, key)
			}
		}
	}
	for _, id := range kept {
		if r := all[id]; r == nil || r.tombstone {
			return fmt.Sprintf("record %s is not in the run", id)
		}
	}
	for id := range gone {
		if all[id] == nil {
			return fmt.Sprintf("the proof that record %s was destroyed is not in the run", id)
		}
	}
	return ""
}

// TestForgotten: a document that was deleted because its time had come leaves the backup,
// and any other that is gone stays and is told of.
func TestForgotten(t *testing.T) {
	w := newWorld(0)
	folder, err := backup.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	var keys []string
	for _, kind := range []string{"request", "rule"} {
		data, _, err := preservation.ConfigObject{Kind: kind, Name: "a", Version: 1}.Encode()
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, preservation.ConfigKey(w.id()))
		w.objects[keys[len(keys)-1]] = data
	}
	requests := func(kind string) bool { return kind == "request" }
	var before *backup.Run
	for round, want := range []int{2, 1, 1} {
		run, err := folder.Begin(time.Now())
		if err != nil {
			t.Fatal(err)
		}
		m := backup.Mirror{Run: run, Before: before, Remains: retention.Remains, Begun: retention.Begun, Stays: retention.IsProof, Now: time.Now,
			Forgotten: func(_ context.Context, _ preservation.TenantID, d preservation.ConfigObject) (bool, error) {
				return requests(d.Kind), nil
			}}
		r, err := m.Bucket(t.Context(), "t", w)
		if err != nil || r.Objects != want || round == 1 && r.Deleted != 1 || round > 0 && (len(r.Failed) != 1 || r.Failed[0].Code != backup.CodeLost || r.Failed[0].Subject != keys[1]) {
			t.Errorf("round %d: %v %+v", round, err, r)
		}
		if before != nil {
			if err := run.Succeeds(before, requests); err != nil {
				t.Error(err)
			}
		}
		before = run
		clear(w.objects)
	}
	none := func(string) bool { return false }
	empty, err := folder.Begin(time.Now().Add(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (&backup.Mirror{Run: empty, Now: time.Now}).Bucket(t.Context(), "t", w); err != nil {
		t.Fatal(err)
	}
	if err := empty.Succeeds(before, requests); err == nil {
		t.Error("a run without the rule is taken for a later one")
	}
	if err := before.Succeeds(before, none); err != nil {
		t.Error(err)
	}
}

// TestNobodyHas backs up a record of which a package is gone, as an intent says, and no
// run before has it: when the service has not ended that in time, the run says so aloud.
func TestNobodyHas(t *testing.T) {
	w := newWorld(0)
	folder, err := backup.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	id := preservation.RecordID(w.id())
	for _, do := range w.arrive(id, 1) {
		do()
	}
	run, err := folder.Begin(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for _, do := range w.destroy(id, false)[:2] { // the intent, and the package is gone
		do()
	}
	m := backup.Mirror{Run: run, Remains: retention.Remains, Begun: retention.Begun, Stays: retention.IsProof, Patience: 50 * time.Millisecond, Now: time.Now}
	r, err := m.Bucket(t.Context(), "t", w)
	if err != nil || len(r.Failed) != 1 || r.Failed[0].Code != backup.CodeEnding || r.Failed[0].Subject != preservation.PackageKey(id, 1) {
		t.Errorf("%v %+v", err, r)
	}
}
