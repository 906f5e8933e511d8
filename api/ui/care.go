package ui

import (
	"net/url"

	"bestand/api"
	"bestand/preservation"
	"bestand/preservation/fixity"
	"bestand/preservation/proof"
)

// preservationView is the state of the holding: what was read back, and what proves it.
type preservationView struct {
	api.Holding
	Chart chart
	Due   []proof.Due // today
	Later []proof.Due // within ten years
}

const horizonYears = 10

func preservationPage(v *visit) error {
	var p preservationView
	if err := v.get("/v1/fixity", &p.Holding); err != nil {
		return err
	}
	p.Chart = standing(v.lang, p.Holding)
	if err := v.name(p.DamagedRecords...); err != nil {
		return err
	}
	if v.may("GET /v1/evidence/renewals") {
		var due struct{ Items []proof.Due }
		if err := v.get("/v1/evidence/renewals", &due); err != nil {
			return err
		}
		p.Due = due.Items
		at := preservation.DateOf(v.ui.Now().AddDate(horizonYears, 0, 0))
		if err := v.get("/v1/evidence/renewals?"+url.Values{"at": {at.String()}}.Encode(), &due); err != nil {
			return err
		}
		p.Later = due.Items
	}
	return v.show("preservation", v.lang.t("preservation.title"), p)
}

func readAll(v *visit) error {
	if err := v.post("/v1/schedules/"+fixity.JobScrub+"/run", api.ScheduleRun{Everything: true}, nil); err != nil {
		return err
	}
	return v.redirect("/bestandserhaltung", "reading-all")
}

func stampNow(v *visit) error {
	if err := v.post("/v1/evidence/batches", nil, nil); err != nil {
		return err
	}
	return v.redirect("/bestandserhaltung", "stamped")
}

func renewNow(v *visit) error {
	if err := v.post("/v1/evidence/renewals", nil, nil); err != nil {
		return err
	}
	return v.redirect("/bestandserhaltung", "renewed")
}

// operationView is how the archive works through what it has to do.
type operationView struct {
	api.Operation
	Chart      chart
	Throughput chart
	Statuses   []api.SubmissionStatus
}

func operationPage(v *visit) error {
	p, err := v.operation()
	if err != nil {
		return err
	}
	return v.show("operation", v.lang.t("operation.title"), p)
}

// operationState is the part of the page that changes while it is looked at.
func operationState(v *visit) error {
	p, err := v.operation()
	if err != nil {
		return err
	}
	return v.showPart("operation", "state", p)
}

func (v *visit) operation() (operationView, error) {
	p := operationView{Statuses: statuses}
	if err := v.get("/v1/operation", &p.Operation); err != nil {
		return p, err
	}
	p.Chart = growth(v.lang, p.Growth)
	p.Throughput = throughput(v.lang, p.Days, preservation.DateOf(v.ui.Now().UTC()))
	return p, nil
}

// Guards reports whether a schedule cannot be paused.
func (operationView) Guards(kind string) bool { return api.Guards(kind) }

func runSchedule(v *visit) error    { return v.schedule("run", "schedule-begun") }
func pauseSchedule(v *visit) error  { return v.schedule("pause", "schedule-paused") }
func resumeSchedule(v *visit) error { return v.schedule("resume", "schedule-resumed") }

// schedule does something to what the archive does by itself.
func (v *visit) schedule(what, notice string) error {
	if err := v.post(joinPath("/v1/schedules/", v.r.PathValue("kind"), "/"+what), nil, nil); err != nil {
		return err
	}
	return v.redirect("/betrieb#schedules", notice)
}

func retryJob(v *visit) error {
	if err := v.post(joinPath("/v1/jobs/", v.r.PathValue("id"), "/retry"), nil, nil); err != nil {
		return err
	}
	return v.redirect("/betrieb", "job-retried")
}
