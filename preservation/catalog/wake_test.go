package catalog

import "testing"

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
