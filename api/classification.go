package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/google/uuid"

	"bestand/preservation/catalog"
	"bestand/retention"
	"bestand/retention/fileplan"
)

// serveForms adds the routes whose bodies come in several forms.
func (s *server) serveForms(t table) {
	t.HandleFunc("POST /v1/classification", s.replaceClassification)
	t.HandleFunc("POST /v1/classification/preview", s.previewClassification)
	t.HandleFunc("POST /v1/rules/import", s.importRules)
	t.HandleFunc("POST /v1/rules/import/preview", s.previewRules)
	t.HandleFunc("POST /v1/disposals/{id}/xdomea", s.readDisposalAnswer)
}

// GetClassification returns the classification in force, or another version of it.
func (s *server) GetClassification(ctx context.Context, request GetClassificationRequestObject) (GetClassificationResponseObject, error) {
	t := s.tenant(ctx)
	scheme, err := s.config.Officer.SchemeAt(ctx, t, request.Params.Version)
	if err != nil {
		return nil, err
	}
	if scheme.Version == 0 {
		return nil, catalog.ErrNotFound
	}
	var b bytes.Buffer
	switch accepted(note(ctx).accept, mediaJSON, mediaCSV, mediaXML) {
	case mediaCSV:
		err = fileplan.WriteCSV(&b, scheme)
		return GetClassification200TextCsvResponse{Body: &b, ContentLength: int64(b.Len())}, err
	case mediaXML:
		err = s.writeXdomea(ctx, &b, t, scheme)
		return GetClassification200ApplicationXMLResponse{Body: &b, ContentLength: int64(b.Len())}, err
	}
	return GetClassification200JSONResponse(scheme), nil
}

// writeXdomea makes a classification a message of the tenant to nobody in particular.
func (s *server) writeXdomea(ctx context.Context, b *bytes.Buffer, t *catalog.Tenant, scheme retention.Scheme) error {
	info, err := t.Info(ctx)
	if err != nil {
		return err
	}
	rules, err := s.config.Officer.Rules(ctx, t)
	if err != nil {
		return err
	}
	plan, err := retention.NewSchedule(scheme, rules)
	if err != nil {
		return err
	}
	return fileplan.WriteXdomea(b, scheme, plan, fileplan.Head{Process: uuid.NewString(), Sender: info.Name, Receiver: info.Name, At: s.now()})
}

// ListClassificationVersions says who put which version into force.
func (s *server) ListClassificationVersions(ctx context.Context, _ ListClassificationVersionsRequestObject) (ListClassificationVersionsResponseObject, error) {
	versions, err := s.config.Officer.SchemeVersions(ctx, s.tenant(ctx))
	if err != nil {
		return nil, err
	}
	return ListClassificationVersions200JSONResponse{Items: list(versions)}, nil
}

// made is the status of what has stored something, or found nothing to change.
func made(changed bool) int {
	if changed {
		return http.StatusCreated
	}
	return http.StatusOK
}

// replaceClassification puts a new version into force.
func (s *server) replaceClassification(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	takeScheme(s, w, r, func(scheme retention.Scheme) (int, retention.Scheme, error) {
		out, changed, err := s.config.Officer.SetScheme(ctx, s.tenant(ctx), scheme, principal(ctx).Actor)
		return made(changed), out, err
	})
}

// previewClassification says what a new version would do.
func (s *server) previewClassification(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	n, err := examplesOf(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	takeScheme(s, w, r, func(scheme retention.Scheme) (int, retention.Preview, error) {
		out, err := s.config.Officer.PreviewScheme(ctx, s.tenant(ctx), scheme, n)
		return http.StatusOK, out, err
	})
}

// examplesOf is how many records a preview names of each move.
func examplesOf(r *http.Request) (int, error) {
	var n *Examples
	if text := r.URL.Query().Get("examples"); text != "" {
		given, _ := strconv.Atoi(text) // a whole number, as checkQuery has seen
		n = &given
	}
	if n != nil && (*n < 0 || *n > 100) {
		return 0, badParameter.in(fieldError("examples", "max", "must be 0 to 100"))
	}
	return examples(n), nil
}

// takeScheme reads a classification in whatever form it comes, and answers with what
// fn makes of it, and its status.
func takeScheme[T any](s *server, w http.ResponseWriter, r *http.Request, fn func(retention.Scheme) (int, T, error)) {
	ctx := r.Context()
	var plan *fileplan.Plan
	var scheme retention.Scheme
	var err error
	switch mediaType(r.Header) {
	case mediaJSON:
		err = json.NewDecoder(r.Body).Decode(&scheme)
	case mediaCSV:
		plan, err = fileplan.ReadCSV(r.Body)
	default:
		plan, err = fileplan.ReadXdomea(r.Body)
	}
	if plan == nil {
		reply(s, w, r, err, func() (int, T, error) { return fn(scheme) })
		return
	}
	now, readErr := s.config.Officer.Scheme(ctx, s.tenant(ctx))
	if readErr != nil {
		s.fail(w, r, readErr)
		return
	}
	scheme = plan.On(now)
	if err != nil { // what else is wrong is told at once
		_, more := s.config.Officer.PreviewScheme(ctx, s.tenant(ctx), scheme, 0)
		err = together(err, plan.Locate(more))
	}
	reply(s, w, r, err, func() (int, T, error) {
		status, out, err := fn(scheme)
		return status, out, plan.Locate(err)
	})
}

// reply sends what fn makes with its status, unless there is an error already.
func reply[T any](s *server, w http.ResponseWriter, r *http.Request, err error, fn func() (int, T, error)) {
	var out T
	status := 0
	if err == nil {
		status, out, err = fn()
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", mediaJSON)
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(out) // the client is gone if this fails
}

// together is the first error with the findings of the second.
func together(first, second error) error {
	var have, more retention.Invalid
	if errors.As(first, &have) && errors.As(second, &more) {
		return have.And(more)
	}
	return first
}
