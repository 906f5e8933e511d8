package api

import (
	"bytes"
	"context"
	"mime"
	"strconv"
	"strings"

	"bestand/preservation"
	"bestand/preservation/aip"
)

// ListEvents returns what happened to a record, as JSON or as PREMIS.
func (s *server) ListEvents(ctx context.Context, request ListEventsRequestObject) (ListEventsResponseObject, error) {
	e, err := s.record(ctx, request.ID)
	if err != nil {
		return nil, err
	}
	events, err := s.tenant(ctx).Events(ctx, e.ID)
	if err != nil {
		return nil, err
	}
	if !prefersXML(note(ctx).accept) {
		return ListEvents200JSONResponse{Items: list(events)}, nil
	}
	return premis(e.Record, events)
}

// premis writes the record's objects and events in the schema of PREMIS 3.
func premis(r preservation.Record, events []preservation.Event) (ListEventsResponseObject, error) {
	var b bytes.Buffer
	if err := aip.WritePremis(&b, &r, events); err != nil {
		return nil, err
	}
	return ListEvents200ApplicationXMLResponse{Body: &b, ContentLength: int64(b.Len())}, nil
}

// prefersXML reports whether an Accept header ranks XML above JSON
// (RFC 9110 §12.5.1). Without a preference the answer is JSON.
func prefersXML(accept string) bool {
	weight := map[string]float64{}
	for part := range strings.SplitSeq(accept, ",") {
		media, params, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		q := 1.0
		if text, ok := params["q"]; ok {
			if q, err = strconv.ParseFloat(text, 64); err != nil {
				continue
			}
		}
		weight[media] = q
	}
	xml := max(weight["application/xml"], weight["text/xml"])
	return xml > weight["application/json"]
}
