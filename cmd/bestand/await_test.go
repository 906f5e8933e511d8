package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
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
