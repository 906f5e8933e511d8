package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"syscall"

	"bestand/api/auth"
	"bestand/ingest"
	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/retention"
	"bestand/search"
)

// kind is a type of problem: programs go by its code.
type kind struct {
	status int
	code   string
	title  string
}

var (
	malformed       = kind{400, "malformed", "The request cannot be read"}
	badParameter    = kind{400, "invalid-parameter", "A parameter is not valid"}
	badCursor       = kind{400, "invalid-cursor", "The cursor is not one of this list"}
	unauthenticated = kind{401, "unauthenticated", "A valid bearer token is needed"}
	forbidden       = kind{403, "forbidden", "The token's roles do not permit this"}
	samePerson      = kind{403, "same-person", "A second person has to do this"}
	closed          = kind{403, "closed", "The record is closed to use"}
	restricted      = kind{403, "restricted", "The processing of the record is restricted"}
	malware         = kind{403, "infected", "Malware was found in it"}
	crossOrigin     = kind{403, "cross-origin", "Requests from other sites are refused"}
	notFound        = kind{404, "not-found", "There is no such thing"}
	noReceipt       = kind{404, "receipt-pending", "There is no receipt yet"}
	noEvidence      = kind{404, "evidence-pending", "There is no evidence record yet"}
	wrongMethod     = kind{405, "method-not-allowed", "This cannot be done here"}
	tooSlow         = kind{408, "too-slow", "The body came too slowly"}
	conflict        = kind{409, "conflict", "The state does not permit this"}
	sourceTaken     = kind{409, "source-taken", "The producer's identifier is in use by another submission"}
	classInUse      = kind{409, "class-in-use", "There are records in a class that is left out"}
	gone            = kind{410, "destroyed", "The record was lawfully destroyed"}
	going           = kind{410, "destroyed", "The destruction of the record has begun"} // its tombstone says no day yet
	tooLarge        = kind{413, "too-large", "The request is larger than permitted"}
	wrongType       = kind{415, "unsupported-media-type", "The content type is not one of those accepted"}
	badRange        = kind{416, "range-not-satisfiable", "The range lies outside"}
	invalid         = kind{422, "invalid", "Some fields are not valid"}
	throttled       = kind{429, "too-many-failures", "Too many failed attempts from this address"}
	broken          = kind{500, "internal", "Something went wrong here"}
	corrupt         = kind{500, "corrupt", "The store does not hold what was stored"}
	unavailable     = kind{503, "unavailable", "A part of the archive cannot be reached"}
	full            = kind{507, "store-full", "The store is full"}
)

// fault is an error that knows how it is answered.
type fault struct {
	kind
	detail string
	fields []FieldError
}

func (f *fault) Error() string {
	if len(f.fields) > 0 {
		return fmt.Sprintf("%s: %s: %s", f.code, f.fields[0].Field, f.fields[0].Detail)
	}
	return f.code + ": " + f.detail
}

// because makes a fault of this kind.
func (k kind) because(format string, args ...any) error {
	return &fault{kind: k, detail: fmt.Sprintf(format, args...)}
}

// fieldError says what is wrong with a field.
func fieldError(field, code, detail string) FieldError {
	return FieldError{Field: field, Code: code, Detail: detail}
}

// in makes a fault of this kind about fields.
func (k kind) in(fields ...FieldError) error { return &fault{kind: k, fields: fields} }

// destroyed is the error of whatever asks for a record that is no more.
type destroyed struct{ tombstone Tombstone }

func (d *destroyed) Error() string { return "record was destroyed" }

// problemOf is the one place where errors become answers.
func problemOf(err error) Problem {
	k, detail, fields := classify(err)
	p := Problem{Type: "urn:bestand:problem:" + k.code, Title: k.title, Status: k.status, Code: k.code, Detail: detail, Errors: fields}
	var d *destroyed
	if errors.As(err, &d) {
		p.Tombstone = d.tombstone
	}
	var taken *catalog.SourceConflict
	if errors.As(err, &taken) {
		p.Existing = string(taken.Existing.ID) // not of others, which differs turned into a fault
	}
	return p
}

func classify(err error) (k kind, detail string, fields []FieldError) {
	var (
		f        *fault
		d        *destroyed
		taken    *catalog.SourceConflict
		findings retention.Invalid
		used     retention.InUse
		delivery *ingest.Invalid
		large    *http.MaxBytesError
		syntax   *json.SyntaxError
		param    *InvalidParamFormatError
		many     *TooManyValuesForParamError
		missing  *RequiredParamError
		header   *RequiredHeaderError
	)
	switch {
	case errors.As(err, &f):
		return f.kind, f.detail, f.fields
	case errors.As(err, &d) && d.tombstone.Destroyed.IsZero():
		return going, "nobody reads it any more; what the store still locks goes when the lock ends, unless something forbids it until then", nil
	case errors.As(err, &d), errors.Is(err, catalog.ErrDestroyed):
		return gone, "nothing of its content is left in this archive, and backups of it expire; what remains is this tombstone, the audit log, and the certificate of the disposal run or the permit that it names", nil
	case errors.As(err, &findings):
		return invalid, "", fieldErrors(findings)
	case errors.As(err, &used):
		return classInUse, "", fieldErrors(used)
	case errors.As(err, &delivery):
		k = invalid
		for _, p := range delivery.Problems {
			fields = append(fields, FieldError{Field: p.Field, Code: p.Code, Detail: p.Detail})
			if p.Code == "too-large" || p.Code == "too-many" {
				k = tooLarge
			}
		}
		return k, "", fields
	case errors.As(err, &taken):
		return sourceTaken, err.Error(), nil
	case errors.As(err, &large):
		return tooLarge, fmt.Sprintf("at most %d bytes", large.Limit), nil
	case errors.As(err, &syntax):
		return malformed, syntax.Error(), nil
	case errors.As(err, &param):
		return badParameter, "", []FieldError{fieldError(param.ParamName, "format", "has not the form that the interface description asks for")}
	case errors.As(err, &many):
		return badParameter, "", []FieldError{fieldError(many.ParamName, "repeated", "must be given once")}
	case errors.As(err, &missing):
		return badParameter, "", []FieldError{fieldError(missing.ParamName, "required", "is missing")}
	case errors.As(err, &header):
		return badParameter, "", []FieldError{fieldError(header.ParamName, "required", "is missing")}
	case errors.Is(err, preservation.ErrFull), roomless(err):
		return full, "nothing was kept of this request: send it again when somebody has made room", nil
	case errors.Is(err, preservation.ErrClock):
		return unavailable, "the clock of the archive is in doubt: send it again when its operator has set or confirmed it", nil
	case errors.Is(err, preservation.ErrUnavailable): // before the network's own errors, which could be the client's
		return unavailable, away(err), nil
	case errors.Is(err, auth.ErrMissing), errors.Is(err, auth.ErrInvalid):
		return unauthenticated, "", nil
	case errors.Is(err, auth.ErrThrottled):
		return throttled, "", nil
	case errors.Is(err, catalog.ErrNotFound):
		return notFound, "", nil // the same words whatever is missing, and wherever it may exist
	case errors.Is(err, catalog.ErrCursor), errors.Is(err, search.ErrCursor):
		return badCursor, "pass `next` of the page before with the same filters and order, or leave `after` out to begin anew", nil
	case errors.Is(err, search.ErrQuery):
		return badParameter, "", []FieldError{fieldError("q", "query", err.Error())}
	case errors.Is(err, search.ErrUnavailable):
		return unavailable, "the text index is not available now; lists by other properties than text, confidentiality, year and media type are", nil
	case errors.Is(err, retention.ErrSamePerson):
		return samePerson, strings.TrimSuffix(err.Error(), ": "+retention.ErrSamePerson.Error()), nil
	case errors.Is(err, retention.ErrEnded):
		return conflict, err.Error(), nil
	case errors.Is(err, catalog.ErrSort):
		return badParameter, "", []FieldError{fieldError("sort", "oneof", err.Error())}
	case errors.Is(err, catalog.ErrConflict):
		return conflict, strings.TrimSuffix(err.Error(), ": "+catalog.ErrConflict.Error()), nil
	case errors.Is(err, preservation.ErrCorrupt), errors.Is(err, preservation.ErrNotFound):
		return corrupt, "", nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return tooSlow, "", nil
	case errors.Is(err, io.ErrUnexpectedEOF):
		return malformed, "the body ends before its Content-Length, or before its last chunk: send it again whole, and leave the length to the program that sends it", nil
	case errors.Is(err, context.DeadlineExceeded):
		return unavailable, "the answer took too long; send the request again", nil
	}
	return broken, "", nil
}

func fieldErrors(all []preservation.Finding) (fields []FieldError) {
	for _, f := range all {
		fields = append(fields, FieldError{Field: f.Subject, Code: f.Code, Detail: f.Detail})
	}
	return fields
}

// away says which part of the archive a request waits for in vain.
func away(err error) string {
	part := "a part of the archive"
	var o *preservation.Outage
	if errors.As(err, &o) {
		part = string(o.Part)
	}
	return part + " is not available now: try again later"
}

// recognised is what a sender wants to know besides when a delivery got no answer.
const recognised = ". A delivery that was taken in all the same is recognised when it is sent again"

// delivers reports whether a request hands files over.
func delivers(r *http.Request) bool {
	return r.Method == http.MethodPost && (r.URL.Path == "/v1/submissions" ||
		strings.HasPrefix(r.URL.Path, "/v1/records/") && strings.HasSuffix(r.URL.Path, "/versions"))
}

// roomless reports whether the disk of the archive is full.
func roomless(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// refuse answers a request that the generated code could not decode.
func (s *server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	if k, _, _ := classify(err); k == broken {
		err = malformed.because("%v", err)
	}
	s.fail(w, r, err)
}

// fail answers a request with the problem that err is. What is our own fault is
// logged, since the answer does not tell it.
func (s *server) fail(w http.ResponseWriter, r *http.Request, err error) {
	ctx := r.Context()
	if started(w) {
		if ctx.Err() == nil {
			s.log.ErrorContext(ctx, "answer broken off", slog.String("request", requestID(ctx)), slog.Any("err", err))
		}
		panic(http.ErrAbortHandler) // the only way left to tell the client
	}
	p := problemOf(err)
	if p.Status >= 500 && ctx.Err() != nil { // whatever was broken off was broken off by the client
		p = problemOf(malformed.because("the connection ended before the answer"))
	}
	if p.Detail == away(err) && delivers(r) {
		p.Detail += recognised
	}
	p.Instance = "urn:request:" + requestID(ctx)
	if p.Status >= 500 {
		s.log.ErrorContext(ctx, "request failed", slog.String("request", requestID(ctx)), slog.String("code", p.Code), slog.Any("err", err))
	}
	h := w.Header()
	switch p.Status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Bearer realm="bestand"`)
	case http.StatusRequestTimeout, http.StatusRequestEntityTooLarge:
		h.Set("Connection", "close") // or the server would go on reading
	case http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusInsufficientStorage:
		h.Set("Retry-After", "30")
	}
	for _, name := range []string{"ETag", "Content-Disposition", "Content-Length"} {
		h.Del(name) // of the answer that it would have been
	}
	h.Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	if r.Method != http.MethodHead {
		json.NewEncoder(w).Encode(p) // the client is gone if this fails
	}
}
