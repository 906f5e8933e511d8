package api

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"bestand/preservation"
)

// Only who hands files over is told what becomes of a delivery.
func TestOutageWords(t *testing.T) {
	s := &server{log: slog.New(slog.DiscardHandler)}
	for target, delivery := range map[string]bool{
		"POST /v1/submissions":                                 true,
		"POST /v1/records/06h0dvedk0ye8r56hqn0g7xjew/versions": true,
		"POST /v1/evidence/batches":                            false,
		"GET /v1/submissions":                                  false,
	} {
		method, path, _ := strings.Cut(target, " ")
		w := httptest.NewRecorder()
		s.fail(w, httptest.NewRequest(method, path, nil), preservation.Down(preservation.PartStore, errors.New("refused")))
		var p Problem
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || p.Status != 503 || !strings.Contains(p.Detail, "try again later") || strings.Contains(p.Detail, "delivery") != delivery {
			t.Errorf("%s: %+v, %v", target, p, err)
		}
	}
}
