package api

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path"
	"slices"
	"strings"

	"bestand/ingest"
	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/preservation/dip"
	"bestand/retention"
)

// GetDisposalOffer returns the offer of a run to the archive as a message of xdomea.
func (s *server) GetDisposalOffer(ctx context.Context, request GetDisposalOfferRequestObject) (GetDisposalOfferResponseObject, error) {
	o, err := s.offer(ctx, request.ID, retention.Offerable(request.ID))
	if err != nil {
		return nil, err
	}
	if len(o.Records) == 0 {
		return nil, conflict.because("none of its open records is to be offered")
	}
	if err := s.audit(ctx, "disposal.offer.read", request.ID, nil); err != nil {
		return nil, err
	}
	return &export{media: dip.XdomeaType, name: dip.XdomeaOfferName(request.ID), head: headOnly(ctx),
		write: func(w io.Writer) error { return dip.XdomeaOffer(ctx, w, o) }}, nil
}

// VisitGetDisposalOfferResponse writes the answer of GET …/xdomea.
func (x *export) VisitGetDisposalOfferResponse(w http.ResponseWriter) error {
	return x.VisitGetPackageResponse(w)
}

// offer is what a run offers to the archive: some of its open records that may not be
// destroyed before that was asked.
func (s *server) offer(ctx context.Context, id string, which catalog.ItemFilter) (o dip.Offer, err error) {
	t := s.tenant(ctx)
	r, err := s.config.Officer.Run(ctx, t, id)
	if err != nil {
		return o, err
	}
	if r.Collecting {
		return o, conflict.because("its records are still being listed; try again later")
	}
	info, err := t.Info(ctx)
	if err != nil {
		return o, err
	}
	f, err := s.newFiling(ctx, t)
	if err != nil {
		return o, err
	}
	o = dip.Offer{Run: r.ID, Archive: info.Name, Reader: r.Offer.Authority, Agent: ingest.Agent(), At: s.now()}
	for after := preservation.RecordID(""); ; {
		items, err := t.View().RunItems(ctx, which, after, offerPage)
		if err != nil {
			return o, err
		}
		offered, err := f.offered(ctx, t, items)
		if err != nil {
			return o, err
		}
		if o.Records = append(o.Records, offered...); len(items) < offerPage {
			return o, nil
		}
		if len(o.Records) > offerMost {
			return o, conflict.because("it has more than %d records to be offered, too many for one message: propose them in several runs, each with a limit", offerMost)
		}
		after = items[len(items)-1].Record
	}
}

const (
	offerPage = 500
	offerMost = 20_000 // with their metadata they are held in memory
)

// filing is what an offer tells of the file plan.
type filing struct {
	titles  map[string]string
	rules   map[string]retention.Rule
	parents map[preservation.RecordID]catalog.Entry // that were met already
}

func (s *server) newFiling(ctx context.Context, t *catalog.Tenant) (filing, error) {
	f := filing{titles: map[string]string{}, rules: map[string]retention.Rule{}, parents: map[preservation.RecordID]catalog.Entry{}}
	scheme, err := s.config.Officer.Scheme(ctx, t)
	if err != nil {
		return f, err
	}
	for _, c := range scheme.Classes {
		f.titles[c.Code] = c.Title
	}
	rules, err := s.config.Officer.Rules(ctx, t)
	for _, r := range rules {
		f.rules[r.Ref().String()] = r
	}
	return f, err
}

// offered makes items of a run into what is offered.
func (f filing) offered(ctx context.Context, t *catalog.Tenant, items []catalog.RunItem) ([]dip.Offered, error) {
	ids := make([]preservation.RecordID, len(items))
	for n, i := range items {
		ids[n] = i.Record
	}
	entries, err := t.EntriesByID(ctx, ids)
	if err != nil {
		return nil, err
	}
	byID := make(map[preservation.RecordID]catalog.Entry, len(entries))
	for _, e := range entries {
		byID[e.ID] = e
	}
	var out []dip.Offered
	for _, i := range items {
		e, ok := byID[i.Record]
		if !ok {
			continue // destroyed in another way; the run will see
		}
		o := dip.Offered{Record: e.Record, Until: i.Ended, Kept: i.Decision == retention.Keep, Filing: dip.Filing{ClassTitle: f.titles[e.Class], Disposition: i.Proposed}}
		if i.Decision == string(retention.Archive) || i.Decision == string(retention.Destroy) {
			o.Proposed, o.Note = i.Decision, i.Note
		}
		rule := f.rules[i.Rule]
		if o.Filing.Permanent = rule.Permanent; rule.Duration.Months == 0 && rule.Duration.Days == 0 {
			o.Filing.Years = rule.Duration.Years
		}
		if o.Filing.Parents, err = f.above(ctx, t, e); err != nil {
			return nil, err
		}
		out = append(out, o)
	}
	return out, nil
}

// above are the records that one is a part of, the outermost first, up to one that is
// there no more.
func (f filing) above(ctx context.Context, t *catalog.Tenant, e catalog.Entry) (parents []preservation.Record, err error) {
	seen := map[preservation.RecordID]bool{e.ID: true}
	for up := e.Parent; up != "" && !seen[up]; {
		seen[up] = true
		p, ok := f.parents[up]
		if !ok {
			found, err := t.EntriesByID(ctx, []preservation.RecordID{up})
			if err != nil {
				return nil, err
			}
			if len(found) == 1 {
				p = found[0]
			}
			f.parents[up] = p
		}
		if p.Status != live {
			break
		}
		parents = append(parents, p.Record)
		up = p.Parent
	}
	slices.Reverse(parents)
	return parents, nil
}

// readDisposalAnswer takes the archive's answer to an offer from a message of xdomea.
func (s *server) readDisposalAnswer(w http.ResponseWriter, r *http.Request) {
	v, err := s.answered(r.Context(), r.PathValue("id"), mediaType(r.Header), r.Body)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", mediaJSON)
	json.NewEncoder(w).Encode(v) // the client is gone if this fails
}

func (s *server) answered(ctx context.Context, id, media string, body io.Reader) (DisposalRun, error) {
	if !preservation.RecordID(id).Valid() {
		return DisposalRun{}, notFound.because("")
	}
	message, err := readBounded(body, dip.MaxAnswer)
	if err != nil {
		return DisposalRun{}, err
	}
	if media == dip.XdomeaType {
		if message, err = unpacked(message); err != nil {
			return DisposalRun{}, err
		}
	}
	o, err := s.offer(ctx, id, catalog.ItemFilter{Run: id, States: []string{catalog.ItemOpen}, Offer: true})
	if err != nil {
		return DisposalRun{}, err
	}
	a, found, err := dip.ReadXdomeaAnswer(bytes.NewReader(message), o)
	if err != nil {
		return DisposalRun{}, err
	}
	if len(found) > 0 {
		return DisposalRun{}, retention.Invalid(found)
	}
	sum := sha256.Sum256(message)
	note := fmt.Sprintf("xdomea 0502 of %.40s, SHA-256 %s", a.Created, hex.EncodeToString(sum[:]))
	by := map[string]*retention.Appraisal{}
	var answers []retention.Appraisal
	for _, d := range a.Decisions {
		if by[d.Decision] == nil {
			by[d.Decision] = &retention.Appraisal{Decision: d.Decision, Note: note}
		}
		by[d.Decision].Scope.Records = append(by[d.Decision].Scope.Records, d.Record)
	}
	for _, decision := range []string{"A", "B", "V"} {
		if by[decision] != nil {
			answers = append(answers, *by[decision])
		}
	}
	run, err := s.config.Officer.AnswerRun(ctx, s.tenant(ctx), id, answers, principal(ctx).Actor)
	if err != nil {
		return DisposalRun{}, err
	}
	return s.disposalRun(ctx, run)
}

// unpacked is the one message in a container.
func unpacked(container []byte) ([]byte, error) {
	z, err := zip.NewReader(bytes.NewReader(container), int64(len(container)))
	if err != nil {
		return nil, malformed.because("the container is no ZIP that can be read")
	}
	if len(z.File) != 1 || !strings.EqualFold(path.Ext(z.File[0].Name), ".xml") {
		return nil, malformed.because("a container with an answer has the message as XML and nothing else in it")
	}
	in, err := z.File[0].Open()
	if err != nil {
		return nil, malformed.because("the message in the container cannot be unpacked")
	}
	defer in.Close()
	message, err := readBounded(in, dip.MaxAnswer)
	if k, _, _ := classify(err); err != nil && k != tooLarge {
		return nil, malformed.because("the message in the container cannot be unpacked")
	}
	return message, err
}
