package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"bestand/preservation"
)

// Who waits for a submission is told what the archive itself waits for.
func TestAwaitTellsWhatIsWaitedFor(t *testing.T) {
	answers := []string{
		`{"id":"s1","status":"processing","waiting":{"reason":"the time-stamping service is not available","next":"2026-11-01T09:00:00Z"}}`,
		`{"id":"s1","status":"processing"}`,
		`{"id":"s1","status":"archived"}`,
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, answers[0])
		answers = answers[1:]
	}))
	defer server.Close()
	c := client{server: server.URL, token: "t"}
	if err := c.init(); err != nil {
		t.Fatal(err)
	}
	var told []string
	s, err := c.await(t.Context(), "s1", func(reason string) { told = append(told, reason) })
	if err != nil || s.Status != "archived" || !slices.Equal(told, []string{"the time-stamping service is not available"}) {
		t.Errorf("%+v, %q, %v", s, told, err)
	}
}

// What is away is told once for all deliveries, what failed with one of them with its path.
func TestWaitsAreTold(t *testing.T) {
	var said strings.Builder
	w := waits{to: &said, told: map[string]bool{}}
	for _, away := range []error{preservation.Down(preservation.PartTSA, errors.New("refused")), preservation.Down(preservation.PartDisk, preservation.ErrFull)} {
		for range 2 {
			w.tell("a", away.Error())
			w.tell("b", away.Error())
		}
	}
	for range 2 {
		w.tell("a", "the time-stamping service is not available") // as a sender learns it
		w.tell("a", "the step validate failed and is tried again")
		w.tell("b", "the step validate failed and is tried again")
	}
	want := "the archive waits: the time-stamping service is not available: refused\n" +
		"the archive waits: the disk of the archive has no room: " + preservation.ErrFull.Error() + "\n" +
		"the archive waits: the time-stamping service is not available\n" +
		"a waits: the step validate failed and is tried again\n" +
		"b waits: the step validate failed and is tried again\n"
	if said.String() != want {
		t.Errorf("%s", &said)
	}
}
