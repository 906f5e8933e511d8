package ui

import (
	"errors"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"bestand/api"
	"bestand/preservation"
)

// submissionsView lists what was handed over.
type submissionsView struct {
	Items    []api.Submission
	Status   string
	Statuses []api.SubmissionStatus
	Begun    bool
	Next     string
	Upload   bool
	Here     string // where this part of the list is, to look again
}

var statuses = []api.SubmissionStatus{"received", "processing", "archived", "partial", "rejected", "quarantined"}

func submissionsPage(v *visit) error {
	p, err := v.submissions()
	if err != nil {
		return err
	}
	return v.show("submissions", v.lang.t("submissions.title"), p)
}

// submissionsList is the part of the page that changes while it is looked at.
func submissionsList(v *visit) error {
	p, err := v.submissions()
	if err != nil {
		return err
	}
	return v.showPart("submissions", "list", p)
}

func (v *visit) submissions() (submissionsView, error) {
	q := url.Values{"limit": {"30"}}
	p := submissionsView{Status: v.r.URL.Query().Get("status"), Statuses: statuses, Upload: v.may("POST /v1/submissions")}
	if p.Status != "" {
		q.Set("status", p.Status)
	}
	if after := v.r.URL.Query().Get("after"); after != "" {
		q.Set("after", after)
		p.Begun = true
	}
	var page struct {
		Items []api.Submission
		Next  string
	}
	if err := v.get("/v1/submissions?"+q.Encode(), &page); err != nil {
		return p, err
	}
	q.Del("limit")
	p.Here = "/uebernahme/liste?" + q.Encode()
	p.Items = page.Items
	if page.Next != "" {
		more := url.Values{"after": {page.Next}}
		if p.Status != "" {
			more.Set("status", p.Status)
		}
		p.Next = "/uebernahme?" + more.Encode()
	}
	return p, nil
}

// submissionView is one submission with its stages.
type submissionView struct {
	api.Submission
	Stages  []stage
	Names   documents
	Running bool
	Fields  map[string]api.FieldError
	Reason  string
}

// filesNamed is how many files of a submission a page names.
const filesNamed = 10

// FileNames are the files that were handed over, as long as there is no record that has
// them.
func (p submissionView) FileNames() string {
	names := p.Files[:min(len(p.Files), filesNamed)]
	all := strings.Join(names, ", ")
	if len(names) < len(p.Files) {
		all += " …"
	}
	return all
}

// stage is a step with the time that it took.
type stage struct {
	api.Step
	Took time.Duration
}

func submissionPage(v *visit) error {
	p, err := v.submission()
	if err != nil {
		return err
	}
	return v.showSubmission(http.StatusOK, p)
}

func (v *visit) showSubmission(status int, p submissionView) error {
	title := p.Title
	if title == "" && p.ProducerRecordID != "" {
		title = path.Base(p.ProducerRecordID) // of a file's path at the sender, its name
	}
	if title == "" {
		title = v.lang.t("submission.untitled", v.lang.time(p.Received))
	} else {
		title = v.lang.t("submission.title", title)
	}
	return v.showStatus(status, "submission", title, p, crumb{v.lang.t("submissions.title"), "/uebernahme"})
}

// submissionState is the part of the page that changes while it is looked at.
func submissionState(v *visit) error {
	p, err := v.submission()
	if err != nil {
		return err
	}
	return v.showPart("submission", "state", p)
}

func (v *visit) submission() (p submissionView, err error) {
	if err := v.get(joinPath("/v1/submissions/", v.r.PathValue("id")), &p.Submission); err != nil {
		return p, err
	}
	before := p.Received
	for _, s := range p.Steps {
		p.Stages = append(p.Stages, stage{s, max(s.At.Sub(before).Truncate(time.Millisecond), 0)})
		before = s.At
	}
	p.Running = p.Status == "received" || p.Status == "processing"
	var parts []preservation.RecordID
	for _, r := range p.Records {
		if r.RecordID != "" {
			parts = append(parts, r.RecordID)
		}
	}
	if err := v.name(parts...); err != nil {
		return p, err
	}
	p.Names, err = v.documentsOf(p.Submission)
	return p, err
}

// documentsOf are the names of the documents that a submission brought: those of the
// record that came of it, where the visitor may read it, and before there is one those of
// the files that were handed over, which the pipeline numbers in their order.
func (v *visit) documentsOf(sub api.Submission) (documents, error) {
	if sub.RecordID == "" {
		all := make([]pair, len(sub.Files))
		for i, name := range sub.Files {
			all[i].Original = api.File{ID: preservation.NewFileID(i + 1), Name: name}
		}
		return documentsIn(v.lang, all), nil
	}
	events, err := v.events(string(sub.RecordID))
	var refused *refusal
	if errors.As(err, &refused) {
		return documents{}, nil
	} else if err != nil {
		return documents{}, err
	}
	return v.documents(string(sub.RecordID), events)
}

func receiptContent(v *visit) error {
	return v.stream(joinPath("/v1/submissions/", v.r.PathValue("id"), "/receipt") + params(v.r.URL.Query(), "format"))
}

func retrySubmission(v *visit) error {
	id := v.r.PathValue("id")
	if err := v.post(joinPath("/v1/submissions/", id, "/retry"), nil, nil); err != nil {
		return err
	}
	return v.redirect(joinPath("/uebernahme/", id), "retried")
}

func releaseSubmission(v *visit) error { return v.decide("release", "released") }
func refuseSubmission(v *visit) error  { return v.decide("refuse", "refused") }

// decide ends a quarantine with a reason, which the archive keeps.
func (v *visit) decide(how, notice string) error {
	id, reason := v.r.PathValue("id"), v.r.PostForm.Get("reason")
	err := v.post(joinPath("/v1/submissions/", id, "/"+how), api.Reason{Reason: reason}, nil)
	if fields := faults(err); fields != nil {
		status := faultStatus(err)
		p, err := v.submission()
		if err != nil {
			return err
		}
		p.Fields, p.Reason = fields, reason
		return v.showSubmission(status, p)
	}
	if err != nil {
		return err
	}
	return v.redirect(joinPath("/uebernahme/", id), notice)
}

// stageOrder are the stages that every submission passes, for the progress bar.
var stageOrder = []preservation.EventType{preservation.EventReceive, preservation.EventScan, preservation.EventIdentify, preservation.EventConvert,
	preservation.EventSeal, preservation.EventPackage, preservation.EventStore}

// Progress is how many of the usual stages are behind.
func (p submissionView) Progress() (done int) {
	for i, t := range stageOrder {
		for _, s := range p.Steps {
			if s.Event == string(t) {
				done = i + 1
			}
		}
	}
	return done
}

// Usual is how many stages a submission usually has.
func (p submissionView) Usual() int { return len(stageOrder) }
