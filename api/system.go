package api

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// serveSystem adds the routes for machines that look after the archive.
func (s *server) serveSystem(t table) {
	t.HandleFunc("GET /livez", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Write([]byte("ok\n"))
	})
	t.HandleFunc("GET /readyz", s.readyz)
	t.HandleFunc("GET /metrics", promhttp.HandlerFor(s.config.Metrics, promhttp.HandlerOpts{}).ServeHTTP)
	t.HandleFunc("GET /openapi.json", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write(s.spec.json)
	})
}

type readiness struct {
	Ready  bool              `json:"ready"`
	Checks map[string]string `json:"checks"`

	Details map[string]string `json:"details,omitempty"` // of parts that nothing waits for
}

const readyTimeout = 5 * time.Second

// readyz asks all parts at once. What a part says of its failure goes to the
// log, since anybody can read the answer.
func (s *server) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	var mu sync.Mutex
	var wg sync.WaitGroup
	answer := readiness{Ready: true, Checks: map[string]string{}}
	for name, ask := range s.config.Ready {
		wg.Go(func() {
			err := ask(ctx)
			mu.Lock()
			defer mu.Unlock()
			answer.Checks[name] = "ok"
			if err != nil {
				s.log.WarnContext(ctx, "not ready", "part", name, "err", err)
				answer.Checks[name], answer.Ready = "failed", false
			}
		})
	}
	if s.config.Details != nil {
		answer.Details = s.config.Details(ctx)
	}
	wg.Wait()
	status := http.StatusOK
	if !answer.Ready {
		status = http.StatusServiceUnavailable
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(answer)
}
