package ui

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"bestand/api"
	"bestand/preservation"
	"bestand/retention"
)

// runView is a disposal run with a page of its records and what can be done now.
type runView struct {
	api.DisposalRun
	Me      accounts
	View    string // which of its records are shown, a key of runViews
	Class   string // of these, those of one class
	Begun   bool
	Now     time.Time
	Today   preservation.Date
	Classes []string // that are on this page, to choose one
	Path    string   // of this page, to come back to after a decision

	Values map[string]string
	Chosen map[string]bool // records that are marked
	Fields map[string]api.FieldError
	Wrong  []api.FieldError // with the archive's answer as a file
}

// runViews are the records of a run that can be looked at, with the query for them.
var runViews = []struct{ key, ask string }{
	{"all", ""},
	{"none", "state=open&decision=none"},
	{"destroy", "state=open&decision=V"},
	{"archive", "state=open&decision=A"},
	{"keep", "state=open&decision=K"},
	{"destroyed", "state=destroyed"},
	{"transferred", "state=transferred"},
	{"left", "state=left"},
	{"refused", "state=refused"},
}

// runPageSize is how many records of a run a page has.
const runPageSize = 50

func runPage(v *visit) error {
	p, err := v.run(v.r.URL.Query())
	if err != nil {
		return err
	}
	p.Path = v.r.URL.RequestURI()
	return v.showRun(http.StatusOK, p)
}

// run asks for a run and those of its records that an address names.
func (v *visit) run(q url.Values) (p runView, err error) {
	p = runView{View: "all", Class: strings.TrimSpace(q.Get("klasse")), Begun: q.Get("after") != "", Now: v.ui.Now(), Today: v.today()}
	if p.Me, err = v.accounts(); err != nil {
		return p, err
	}
	ask := url.Values{}
	for _, x := range runViews {
		if x.key == q.Get("ansicht") {
			p.View = x.key
			if ask, err = url.ParseQuery(x.ask); err != nil {
				return p, err
			}
		}
	}
	ask.Set("limit", strconv.Itoa(runPageSize))
	for name, value := range map[string]string{"class": p.Class, "after": q.Get("after")} {
		if value != "" {
			ask.Set(name, value)
		}
	}
	if err := v.get(joinPath("/v1/disposals/", v.r.PathValue("id"))+"?"+ask.Encode(), &p.DisposalRun); err != nil {
		return p, err
	}
	for _, i := range p.Items {
		if i.Class != "" && !slices.Contains(p.Classes, i.Class) {
			p.Classes = append(p.Classes, i.Class)
		}
	}
	slices.SortFunc(p.Classes, v.lang.collator().CompareString)
	return p, nil
}

func (v *visit) showRun(status int, p runView) error {
	if _, given := p.Values["grace_days"]; !given {
		p.Values = maps.Clone(p.Values)
		if p.Values == nil {
			p.Values = map[string]string{}
		}
		p.Values["grace_days"] = strconv.Itoa(v.ui.Grace)
	}
	return v.showStatus(status, "run", p.Name(v.lang), p, crumb{v.lang.t("disposal.title"), "/aussonderung"}, crumb{v.lang.t("runs.title"), "/aussonderung/laeufe"})
}

// runState is the part of the page that changes while the run is carried out.
func runState(v *visit) error {
	p, err := v.run(nil)
	if err != nil {
		return err
	}
	return v.showPart("run", "runstate", p)
}

// Name is the title of a run, or what stands for it.
func (p runView) Name(l *language) string {
	if p.Title != "" {
		return p.Title
	}
	return l.t("run.untitled", l.date(p.Proposed))
}

// Appraising reports whether decisions can be made.
func (p runView) Appraising() bool {
	return !p.Collecting && (p.Status == "draft" || p.Status == "decided" || p.Status == "offered")
}

// Approved reports whether packages can be handed over.
func (p runView) Approved() bool {
	return p.Status == "approved" || p.Status == "executing" || p.Status == "stopped"
}

// Ready reports whether a second person can approve the run.
func (p runView) Ready() bool {
	return p.Appraising() && p.Counts.Open > 0 && p.Counts.Undecided == 0 && p.Counts.Unanswered == 0
}

// Mine reports whether the visitor proposed the run and may not approve it.
func (p runView) Mine() bool { return p.Me.Have(p.Proposer) }

// DecidedByMe reports whether the visitor took part in the decisions and may not approve
// them.
func (p runView) DecidedByMe() bool { return slices.ContainsFunc(p.Deciders, p.Me.Have) }

// Running reports whether the page changes by itself.
func (p runView) Running() bool {
	return p.Collecting || p.Status == "executing" || p.Status == "completed" && p.Certificate == "" && p.CertificateWaits == ""
}

// CertificateRule is the rule that a class has to name so that certificates can be
// archived in it.
func (runView) CertificateRule() string { return retention.CertificateRule }

// Listed is how many records were taken into the run, and Done how many of them are
// behind it.
func (p runView) Listed() int64 { return p.Counts.Open + p.Done() }
func (p runView) Done() int64 {
	return p.Counts.Destroyed + p.Counts.Transferred + p.Counts.Left
}

// Certified reports whether there is a certificate (Vernichtungsnachweis).
func (p runView) Certified() bool {
	return p.Status == "completed" || p.Status == "cancelled" && p.Counts.Destroyed+p.Counts.Transferred > 0
}

// Outlook says what comes of having the run carried out.
func (p runView) Outlook(l *language) string {
	if p.Counts.ToDestroy() == 0 {
		return l.t("run.execute-none") + p.later(l)
	}
	return l.t("run.execute-text") + p.later(l)
}

// later says of the records that wait for the archive that they may be destroyed too.
func (p runView) later(l *language) string {
	if p.Counts.HandOver == 0 {
		return ""
	}
	return " " + l.n("run.execute-copies", p.Counts.HandOver)
}

// Order is what somebody agrees to who has the run carried out.
func (p runView) Order(l *language) string {
	if n := p.Counts.ToDestroy(); n > 0 {
		return l.n("run.execute-confirm", n) + p.later(l)
	}
	return l.t("run.execute-agreed") + p.later(l)
}

// Waits reports whether the grace period still runs.
func (p runView) Waits() bool {
	return p.Status == "executing" && p.Now.Before(p.Execution.NotBefore)
}

// Late reports whether the archive's time to answer is over.
func (p runView) Late() bool {
	return p.Offer.Authority != "" && p.Offer.Deadline.Before(p.Today)
}

// Clock is how many days of the archive's time are over, of how many, and how many are
// left.
func (p runView) Clock() (c struct{ Gone, All, Left int }) {
	c.All = days(p.Offer.Offered, p.Offer.Deadline)
	c.Gone = min(max(days(p.Offer.Offered, p.Today), 0), c.All)
	c.Left = c.All - c.Gone
	return c
}

// step is one of the five steps of a run.
type step struct {
	Key  string
	Done bool
	Here bool
}

// Steps are the way of a run, and where it is.
func (p runView) Steps() (all []step) {
	at := map[string]int{"draft": 0, "decided": 2, "offered": 2, "approved": 3, "executing": 3, "stopped": 3, "completed": 4, "cancelled": 5}[p.Status]
	if p.Counts.Undecided > 0 && at < 3 {
		at = 0
	} else if p.Counts.Unanswered > 0 && at < 3 {
		at = 1
	}
	for i, key := range []string{"assess", "offer", "approve", "execute", "certify"} {
		all = append(all, step{key, i < at || p.Status == "completed", i == at && p.Status != "completed"})
	}
	return all
}

// listView is a way to look at the records of a run.
type listView struct {
	Key, Path string
	Here      bool
	Count     int64
}

// Views are those in which there is something, and that which is shown.
func (p runView) Views() (all []listView) {
	n := p.Counts
	counts := map[string]int64{"all": p.Listed() + n.Refused, "none": n.Undecided, "destroy": n.Destroy, "archive": n.Archive, "keep": n.Keep,
		"destroyed": n.Destroyed, "transferred": n.Transferred, "left": n.Left, "refused": n.Refused}
	for _, x := range runViews {
		if counts[x.key] > 0 || x.key == p.View {
			all = append(all, listView{x.key, p.at(url.Values{"ansicht": {x.key}}), x.key == p.View, counts[x.key]})
		}
	}
	return all
}

// at is an address of this run.
func (p runView) at(q url.Values) string {
	to := joinPath("/aussonderung/laeufe/", p.ID)
	if p.Class != "" && q.Get("klasse") == "" {
		q.Set("klasse", p.Class)
	}
	if len(q) > 0 {
		to += "?" + q.Encode()
	}
	return to
}

// First and NextPage are the addresses of pages of records; NextPage is empty on the
// last one.
func (p runView) First() string { return p.at(url.Values{"ansicht": {p.View}}) }
func (p runView) NextPage() string {
	if p.Next == "" {
		return ""
	}
	return p.at(url.Values{"ansicht": {p.View}, "after": {p.Next}})
}

// Marked reports whether records can be chosen on this page.
func (p runView) Marked() bool {
	return p.Appraising() || p.Approved() && p.Counts.HandOver > 0
}

// Open reports whether something can still be decided about a record.
func (p runView) Open(i api.DisposalItem) bool {
	return i.State == "open" && (p.Appraising() || i.Decision == string(retention.Archive) && i.OwnCopy == "")
}
