package main

import (
	"encoding/json"
	"strings"
	"testing"
)

// What is open in a run is said to be locked only when no fault keeps it.
func TestDisposalTellsWhyItWaits(t *testing.T) {
	const run = `{"id":"r1","title":"Lauf","status":"executing","execution":{"begun":"2026-11-01T08:00:00Z"},"resumes":"2026-11-01T09:00:00Z"`
	for answer, want := range map[string]string{
		run + `}`: "still locked in the store",
		run + `,"resumes_after":"the object store is not available"}`: "the last attempt failed: the object store is not available",
	} {
		var a disposalAnswer
		if err := json.Unmarshal([]byte(answer), &a); err != nil {
			t.Fatal(err)
		}
		var said strings.Builder
		if a.tell(&said); !strings.Contains(said.String(), want) || strings.Count(said.String(), "goes on by itself") != 1 {
			t.Errorf("%s, want %q", &said, want)
		}
	}
}

// A run that only waits for the archive says so.
func TestDisposalTellsOfArchive(t *testing.T) {
	var a disposalAnswer
	if err := json.Unmarshal([]byte(`{"id":"r1","status":"executing","execution":{"begun":"2026-11-01T08:00:00Z"},"counts":{"open":2,"archive":2,"hand_over":2},"left_out":{"kept":1}}`), &a); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	a.tell(&said)
	for _, want := range []string{"waits until the archive has acknowledged 2", "not noted of 1: acknowledged before, and the own copy is kept"} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("%s, want %q", &said, want)
		}
	}
}
