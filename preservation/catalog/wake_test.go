package catalog

import (
	"testing"

	"bestand/preservation"
)

// Pools also look by themselves twice a second, which would hide a bell that is
// never rung.
func TestBells(t *testing.T) {
	var b bells
	bell, leave := b.join([]string{"process", "complete"})
	other, _ := b.join([]string{"unstage"})
	rung := func(c <-chan struct{}) bool {
		select {
		case <-c:
			return true
		default:
			return false
		}
	}
	for range 2 {
		b.ring([]string{"sweep", "complete"})
	}
	if !rung(bell) || rung(bell) || rung(other) {
		t.Error("two rings before it listens are one for those whose kind it is, and none for others")
	}
	b.ring([]string{"unstage"})
	if rung(bell) || !rung(other) {
		t.Error("a bell of another kind was rung")
	}
	leave()
	b.ring([]string{"process"})
	if rung(bell) {
		t.Error("rung after it left")
	}
}

func TestRounds(t *testing.T) {
	var r rounds
	here, there := r.wait("a"), r.wait("b")
	r.send(map[preservation.TenantID]bool{"a": true, "c": true})
	select {
	case <-here:
	default:
		t.Error("not woken")
	}
	select {
	case <-there:
		t.Error("woken by the work of another tenant")
	case <-r.wait("a"):
		t.Error("woken again by the same work")
	default:
	}
}
