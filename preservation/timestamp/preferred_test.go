package timestamp_test

import (
	"crypto"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/pki"
	"bestand/preservation/timestamp"
)

// TestPreferred has the preferred authority fail and come back.
func TestPreferred(t *testing.T) {
	p, _ := keys(t, pki.ECP256)
	good := authority(t, p, nil)
	now := time.Now()
	var mu sync.Mutex
	down, asked := map[string]bool{}, []string(nil)
	client := func(name string) *timestamp.Client {
		return &timestamp.Client{URL: serve(t, func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			asked = append(asked, name)
			no := down[name]
			mu.Unlock()
			if user, password, _ := r.BasicAuth(); no || user != name || password != "secret of "+name {
				http.Error(w, "no", http.StatusServiceUnavailable)
				return
			}
			good.ServeHTTP(w, r)
		}), User: name, Password: "secret of " + name}
	}
	all := &timestamp.Preferred{Clients: []*timestamp.Client{client("first"), client("second")}, Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler)}
	for _, step := range []struct {
		after time.Duration
		down  []string
		asked []string
		ok    bool
	}{
		{0, nil, []string{"first"}, true},
		{0, []string{"first"}, []string{"first", "second"}, true},
		{time.Minute, []string{"first"}, []string{"second"}, true},
		{0, []string{"first", "second"}, []string{"second", "first"}, false},
		{0, []string{"second"}, []string{"first"}, true},
		{0, nil, []string{"first"}, true},
		{time.Hour, []string{"first"}, []string{"first", "second"}, true},
	} {
		now = now.Add(step.after)
		mu.Lock()
		asked, down = nil, map[string]bool{}
		for _, name := range step.down {
			down[name] = true
		}
		mu.Unlock()
		_, err := all.Stamp(t.Context(), crypto.SHA256, make([]byte, 32))
		if (err == nil) != step.ok || err != nil && !errors.Is(err, preservation.ErrUnavailable) || !slices.Equal(asked, step.asked) {
			t.Errorf("%+v: asked %v, %v", step, asked, err)
		}
	}
}
