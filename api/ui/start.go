package ui

import (
	"net/http"

	"bestand/api"
	"bestand/preservation/catalog"
	"bestand/retention"
)

// startView is what somebody finds after the login: what wants to be done first.
type startView struct {
	Tasks    []task
	Recent   []api.Submission
	Searches bool
	Due      chart // what falls due per year
	Saved    []api.SavedSearch
	Works    bool              // there can be something to do for the visitor
	Opens    bool              // may read records and search none
	Values   map[string]string // of the form for that
	Fields   map[string]api.FieldError
	Setup    string // step of the guided set-up that comes next; "" when it has ended or is nobody's business
}

// task is something that waits for a person.
type task struct {
	Key   string // of its text, which takes the number
	Count int64
	Path  string
	Tone  string
}

// start collects what waits for whoever is logged in, by what the interface permits.
func start(v *visit) error { return v.start(http.StatusOK, startView{}) }

func (v *visit) start(status int, p startView) error {
	if v.may("GET /v1/submissions") {
		// The interface would list each of them.
		counts, err := v.ui.Catalog.Tenant(v.who.Tenant).CountSubmissions(v.r.Context(), api.SubmissionsOf(v.who))
		if err != nil {
			return err
		}
		p.add("task.quarantined", counts[catalog.Quarantined], "/uebernahme?status=quarantined", "warning")
		p.add("task.rejected", counts[catalog.Rejected], "/uebernahme?status=rejected", "danger")
		var page struct{ Items []api.Submission }
		if err := v.get("/v1/submissions?limit=5", &page); err != nil {
			return err
		}
		p.Recent = page.Items
	}
	if v.may("GET /v1/fixity") {
		// The interface would count all that waits for a time-stamp as well.
		findings, err := v.ui.Catalog.Tenant(v.who.Tenant).View().CountFindings(v.r.Context())
		if err != nil {
			return err
		}
		p.add("task.findings", findings, "/bestandserhaltung", "danger")
	}
	if v.may("GET /v1/operation") {
		var o api.Operation
		if err := v.get("/v1/operation", &o); err != nil {
			return err
		}
		p.add("task.dead", int64(len(o.Dead)), "/betrieb", "danger")
	}
	if v.may("GET /v1/disposals") {
		var found api.RecordPage
		if err := v.get("/v1/records?limit=1&state=due", &found); err != nil {
			return err
		}
		p.add("task.due", found.Total, "/aussonderung", "info")
		if err := v.get("/v1/records?limit=1&state=unresolved", &found); err != nil {
			return err
		}
		p.add("task.unresolved", found.Total, "/suche?state=unresolved", "warning")
	}
	if v.may("POST /v1/permits/{id}/approval") {
		var page struct{ Items []api.Permit }
		if err := v.get("/v1/permits", &page); err != nil {
			return err
		}
		me, err := v.accounts()
		if err != nil {
			return err
		}
		var open int64
		for _, permit := range page.Items {
			if permit.Approved.IsZero() && permit.Revoked.IsZero() && !me.Have(permit.Proposer) {
				open++
			}
		}
		p.add("task.permits", open, "/aussonderung/genehmigungen", "warning")
	}
	if err := v.officeTasks(&p); err != nil {
		return err
	}
	if v.may("GET /v1/reports/due") {
		// The interface would tell each class of each year.
		year := v.today().Year
		counts, err := v.ui.Catalog.Tenant(v.who.Tenant).View().DueYears(v.r.Context(), year+dueSoon+1)
		if err != nil {
			return err
		}
		var rows []retention.DueRow
		for _, c := range counts {
			rows = append(rows, retention.DueRow{Year: c.Year, Records: c.Records, Held: c.Held})
		}
		p.Due = dueChart(v.lang, rows, year, dueSoon)
	}
	if v.may("POST /v1/tenant/setup") {
		var tenant api.OwnTenant
		if err := v.get("/v1/tenant", &tenant); err != nil {
			return err
		}
		if !setupEnded(tenant.Setup) {
			p.Setup = tenant.Setup
		}
	}
	p.Searches = v.may("GET /v1/records")
	p.Opens = !p.Searches && v.may("GET /v1/records/{id}")
	p.Works = !p.Opens || v.may("GET /v1/submissions")
	var err error
	if p.Saved, err = v.saved(); err != nil {
		return err
	}
	return v.showStatus(status, "start", v.lang.t("start.title"), p)
}

func (p *startView) add(key string, count int64, path, tone string) {
	if count > 0 {
		p.Tasks = append(p.Tasks, task{key, count, path, tone})
	}
}
