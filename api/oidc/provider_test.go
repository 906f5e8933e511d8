package oidc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestBusy asks the provider about few logins at a time.
func TestBusy(t *testing.T) {
	asked, answer := make(chan struct{}, 2*atATime), make(chan struct{})
	mux := http.NewServeMux()
	at := httptest.NewServer(mux)
	defer at.Close()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"issuer":%[1]q,"authorization_endpoint":"%[2]s/a","token_endpoint":"%[2]s/t","jwks_uri":"%[2]s/k"}`, at.URL, at.URL)
	})
	mux.HandleFunc("/t", func(w http.ResponseWriter, _ *http.Request) {
		asked <- struct{}{}
		<-answer
		w.WriteHeader(http.StatusBadRequest)
	})
	now := time.Now()
	p := New(Config{Issuer: at.URL, ClientID: "c", Now: func() time.Time { return now }})
	p.client.Timeout = 0
	redeem := func(ctx context.Context) error {
		a, _, err := p.Begin(t.Context(), at.URL)
		if err != nil {
			return err
		}
		_, err = p.Redeem(ctx, a, url.Values{"state": {a.State}, "code": {"guessed"}}, at.URL)
		return err
	}
	var all sync.WaitGroup
	for range atATime {
		all.Go(func() {
			var no *Refused
			if err := redeem(t.Context()); !errors.As(err, &no) || no.Reason != ReasonToken {
				t.Errorf("%v", err)
			}
		})
	}
	for range atATime {
		<-asked
	}
	gone, leave := context.WithCancel(t.Context())
	leave() // as when it takes too long
	if err := redeem(gone); !errors.Is(err, ErrBusy) || len(asked) > 0 {
		t.Errorf("one too many: %v", err)
	}
	close(answer)
	all.Wait()
	var no *Refused
	if err := redeem(t.Context()); !errors.As(err, &no) {
		t.Errorf("no turn afterwards: %v", err)
	}
}

// TestUsed: an attempt that led in leads in no second time, whatever others try.
func TestUsed(t *testing.T) {
	now := time.Now()
	p := New(Config{Issuer: "https://login.example", ClientID: "c", Now: func() time.Time { return now }})
	if !p.first("mine") { // as when the provider has vouched
		t.Fatal("a new state counts as used")
	}
	for i := range 20_000 {
		a := Attempt{State: fmt.Sprint("theirs", i), Begun: now}
		var no *Refused
		if _, err := p.Redeem(t.Context(), a, url.Values{"state": {a.State}, "error": {"access_denied"}}, ""); !errors.As(err, &no) || no.Reason != ReasonDenied {
			t.Fatal(err)
		}
	}
	if p.first("mine") || len(p.used) != 1 {
		t.Errorf("a used state can be used again, %d are remembered", len(p.used))
	}
	now = now.Add(LoginTime + time.Second)
	if !p.first("other") || len(p.used) != 1 {
		t.Errorf("%d states are remembered longer than they are good", len(p.used))
	}
}

// TestSecret: who reads the log learns that it is the client's secret that is wrong.
func TestSecret(t *testing.T) {
	mux := http.NewServeMux()
	at := httptest.NewServer(mux)
	defer at.Close()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"issuer":%[1]q,"authorization_endpoint":"%[2]s/a","token_endpoint":"%[2]s/t","jwks_uri":"%[2]s/k"}`, at.URL, at.URL)
	})
	mux.HandleFunc("/t", func(w http.ResponseWriter, _ *http.Request) { // as Keycloak 25 answers
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"error":"unauthorized_client","error_description":"Invalid client or Invalid client credentials"}`)
	})
	p := New(Config{Issuer: at.URL, ClientID: "c", Secret: "wrong", Now: time.Now})
	a, _, err := p.Begin(t.Context(), at.URL)
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.Redeem(t.Context(), a, url.Values{"state": {a.State}, "code": {"c"}}, at.URL)
	var no *Refused
	if !errors.As(err, &no) || no.Reason != ReasonToken || !strings.Contains(no.Err.Error(), "client ID with its secret: 401 \"unauthorized_client\"") {
		t.Errorf("%v", err)
	}
}
