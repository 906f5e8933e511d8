package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
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

// TestInterrupted: who ends a command that waits is told what goes on without it, and how to
// see what became of it.
func TestInterrupted(t *testing.T) {
	ctx, end := context.WithCancelCause(t.Context())
	cancel := func() { end(errors.New("terminated signal received")) }
	defer cancel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.Method == http.MethodPost {
			io.Copy(io.Discard, r.Body)
			w.WriteHeader(http.StatusAccepted)
		} else {
			defer cancel() // as the person does
		}
		fmt.Fprint(w, `{"id":"s1","status":"processing"}`)
	}))
	defer server.Close()
	dir := t.TempDir()
	token, doc := filepath.Join(dir, "token"), filepath.Join(dir, "a.txt")
	for _, path := range []string{token, doc} {
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out, said bytes.Buffer
	err := run(ctx, []string{"ingest", "--server", server.URL, "--token-file", token, "--producer", "dms", "--class", "63.10", "--wait", doc}, &out, &said)
	if err == nil || strings.Contains(err.Error(), "context canceled") || strings.Contains(err.Error(), "signal") || !strings.Contains(err.Error(), "the same command again takes nothing in twice") {
		t.Errorf("%v", err)
	}
	if !strings.Contains(out.String(), "accepted, not waited for: submission s1") {
		t.Errorf("%s", &out)
	}
	for sub := range interrupted {
		name, _, _ := strings.Cut(sub, " ")
		if !slices.ContainsFunc(commands(), func(c command) bool { return c.name == name }) {
			t.Errorf("there is no command %s", name)
		}
	}
	for _, name := range []string{"backup", "rebuild", "check", "restore", "audit"} { // begun when it is told to end
		args := []string{name, "--data", filepath.Join(dir, "data")}
		if name == "audit" {
			args = []string{"audit", "verify", "--data", filepath.Join(dir, "data")}
		}
		if name == "backup" || name == "restore" {
			args = append(args, "--passphrase-file", token, filepath.Join(dir, "backup"))
		}
		if err := run(ctx, args, &out, &said); err != nil && (strings.Contains(err.Error(), "context canceled") || strings.Contains(err.Error(), "signal")) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestCutOff: what is said of a command that was ended early is that of its subcommand, with
// what went wrong besides.
func TestCutOff(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"tenant create --id a", "bestand tenant list"},
		{"tenant settings --zone UTC", "bestand tenant settings"},
		{"tenant list", "nothing was changed"},
		{"audit accept-fork --tenant a", "without --reason"},
		{"audit verify", "not everything was looked at"},
		{"disposal show", "bestand disposal show"},
		{"clock", "nothing was changed"},
	} {
		if err := cutOff(strings.Fields(c.args), nil); !strings.Contains(err.Error(), c.want) || c.want != "nothing was changed" && strings.Contains(err.Error(), "nothing was changed") {
			t.Errorf("%s: %v", c.args, err)
		}
	}
	ended := func(err error) bool { return errors.Is(err, context.Canceled) }
	full := errors.New("close: the disk is full")
	away := fmt.Errorf("%w: %w", preservation.ErrUnavailable, context.Canceled)
	for _, err := range []error{errors.Join(away, full), fmt.Errorf("keys: %w", errors.Join(errors.Join(nil, away), full))} {
		if got := cutOff([]string{"clock"}, apart(err, ended)).Error(); got != "interrupted: nothing was changed\nclose: the disk is full" {
			t.Errorf("%q", got)
		}
	}
	if others := apart(away, ended); len(others) > 0 {
		t.Errorf("%v", others)
	}
}
