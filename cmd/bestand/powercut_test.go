package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"bestand/preservation/storetest"
)

// TestPowerCut copies the disk below store, catalog, index and uploads at the moment
// of an acknowledgement: the copy holds what had reached the disk, as after a power
// cut, and nothing of the kernel's cache. It starts, and knows all that it has
// acknowledged.
func TestPowerCut(t *testing.T) {
	t.Parallel()
	powerCut(t, 40)
}

// TestFaultPowerCut is the same again and again, each time later.
func TestFaultPowerCut(t *testing.T) {
	for i := range faultRounds(t, 1000) / 50 {
		t.Run(fmt.Sprint(i+1), func(t *testing.T) { powerCut(t, 10+i*15) })
	}
}

func powerCut(t *testing.T, after int) {
	// A disk within a disk: the outer one can be stopped while the inner one is copied,
	// or the copy would hold parts of different instants.
	_, outer := newDisk(t, t.TempDir(), 2<<30)
	image, disk := newDisk(t, outer, 512<<20)
	in := install(t) // stopped before the disk goes
	in.dir = filepath.Join(disk, "data")
	in.serve(t)
	a := in.admin(t)
	syscall.Sync()

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var mu sync.Mutex
	var acknowledged []*handover
	sofar := func() []*handover {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(acknowledged)
	}
	var senders sync.WaitGroup
	for i := range 8 {
		l := &load{name: fmt.Sprint("cut", i), url: a.url, token: a.token}
		senders.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				d := &handover{id: fmt.Sprintf("%s-%d", l.name, n), upload: n%3 == 2}
				d.metadata, d.files = about(d.id, "63.10", "Eingang "+d.id), []sent{file("daten.bin", blob(d.id))}
				if l.deliver(ctx, d) && d.submission != "" {
					mu.Lock()
					acknowledged = append(acknowledged, d)
					mu.Unlock()
				}
				pause(ctx, time.Duration(5+3*i)*time.Millisecond) // not in step
			}
		})
	}
	eventually(t, fmt.Sprint(after, " deliveries acknowledged"), func() bool { return len(sofar()) >= after })
	all := sofar()
	a.await(all[min(len(all), 10)-1].submission) // some have their receipt, others wait
	receipts := map[string]string{}
	for _, d := range all {
		if r := a.get("/v1/submissions/" + d.submission + "/receipt"); r.StatusCode == 200 {
			receipts[d.id] = string(r.body)
		}
	}
	// What the file system has not written yet stays where it is: in memory. Deliveries
	// go on until the cut, and those before it are to be there, the last one too.
	all = sofar()
	cut := filepath.Join(t.TempDir(), "cut")
	if out, err := exec.Command("fsfreeze", "--freeze", outer).CombinedOutput(); err != nil {
		t.Fatalf("fsfreeze: %v: %s", err, out)
	}
	out, err := exec.Command("cp", "--sparse=always", image, cut).CombinedOutput()
	if out, err := exec.Command("fsfreeze", "--unfreeze", outer).CombinedOutput(); err != nil {
		t.Errorf("fsfreeze: %v: %s", err, out)
	}
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	stop()
	senders.Wait()
	in.kill(t)

	disk = storetest.Mount(t, "-o", "loop", cut)
	again := install(t)
	again.dir = filepath.Join(disk, "data")
	again.serve(t)
	b := again.admin(t)
	l := &load{url: b.url, token: b.token}
	for _, d := range all {
		if !l.deliver(t.Context(), d) { // 200 with the same submission, or it complains
			t.Errorf("%s was acknowledged and cannot be sent again", d.id)
		}
		if s := b.await(d.submission); s.Status != "archived" {
			t.Errorf("%s: %+v", d.id, s)
		}
		if r := receipts[d.id]; r != "" && string(b.get("/v1/submissions/"+d.submission+"/receipt").want(t, 200).body) != r {
			t.Errorf("%s has another receipt than before", d.id)
		}
	}
	for _, lost := range l.lost {
		t.Error(lost)
	}
	for _, d := range all[:min(len(all), 5)] {
		eventually(t, "the index finds "+d.id, func() bool { return len(b.find(`"Eingang `+d.id+`"`)) == 1 })
	}
	again.sweep(t)
	records := again.audit(t)
	t.Logf("%d deliveries and %d receipts before the cut, %d records after it", len(all), len(receipts), len(records))
}

// newDisk mounts an empty file system of so many bytes out of a file in a folder.
func newDisk(t *testing.T, dir string, size int64) (image, mounted string) {
	t.Helper()
	image = filepath.Join(dir, "disk")
	f, err := os.Create(image)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if err := os.Truncate(image, size); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(tool(t, "mkfs.ext4"), "-q", "-F", image).CombinedOutput(); err != nil {
		t.Fatalf("mkfs.ext4: %v: %s", err, out)
	}
	return image, storetest.Mount(t, "-o", "loop", image)
}
