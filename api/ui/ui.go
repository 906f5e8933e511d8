package ui

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"bestand/api"
	"bestand/api/auth"
	"bestand/api/oidc"
	"bestand/preservation/catalog"
)

// page is a row of the table: where it is, what it does, and the route of the
// interface that decides who sees it; "" is everybody who is logged in.
type page struct {
	pattern string
	do      action
	needs   string
}

// action answers a request of somebody who is logged in. Its error becomes a page.
type action func(*visit) error

// pages is every page behind the login.
var pages = []page{
	{"GET /{$}", start, ""},
	{"GET /suche", searchPage, "GET /v1/records"},
	{"GET /suche.csv", searchCSV, "GET /v1/records"},
	{"POST /suche/gemerkt", saveSearch, "POST /v1/searches"},
	{"POST /suche/gemerkt/{id}/name", renameSearch, "POST /v1/searches/{id}/rename"},
	{"POST /suche/gemerkt/{id}/loeschung", deleteSearch, "POST /v1/searches/{id}/delete"},
	{"GET /aktenplan", planPage, "GET /v1/classification"},
	{"GET /aktenplan/{code}", planPage, "GET /v1/classification"},
	{"GET /akte", findRecord, "GET /v1/records/{id}"},
	{"GET /akte/{id}", recordPage, "GET /v1/records/{id}"},
	{"POST /akte/{id}/pruefung", verifyRecord, "POST /v1/records/{id}/verification"},
	{"GET /akte/{id}/verlauf", historyPage, "GET /v1/records/{id}/events"},
	{"GET /akte/{id}/datei/{file}", filePage, "GET /v1/records/{id}/files/{file_id}"},
	{"GET /akte/{id}/datei/{file}/inhalt", fileContent, "GET /v1/records/{id}/files/{file_id}"},
	{"GET /akte/{id}/paket", packageContent, "GET /v1/records/{id}/package"},
	{"GET /akte/{id}/beweis", evidenceContent, "GET /v1/records/{id}/evidence"},
	{"GET /akte/{id}/umsortierung", reclassifyPage, "POST /v1/records/{id}/reclassification"},
	{"POST /akte/{id}/umsortierung", reclassify, "POST /v1/records/{id}/reclassification"},
	{"POST /akte/{id}/umsortierung/vorschau", previewReclassification, "POST /v1/records/{id}/reclassification/preview"},
	{"GET /akte/{id}/ereignis", triggerPage, "POST /v1/records/{id}/triggers"},
	{"POST /akte/{id}/ereignis", reportTrigger, "POST /v1/records/{id}/triggers"},
	{"GET /akte/{id}/einschraenkung", restrictPage, "POST /v1/records/{id}/restriction"},
	{"POST /akte/{id}/einschraenkung", restrict, "POST /v1/records/{id}/restriction"},

	{"GET /uebernahme", submissionsPage, "GET /v1/submissions"},
	{"GET /uebernahme/liste", submissionsList, "GET /v1/submissions"},
	{"GET /uebernahme/neu", uploadPage, "POST /v1/submissions"},
	{"POST /uebernahme/neu", upload, "POST /v1/submissions"},
	{"GET /uebernahme/{id}", submissionPage, "GET /v1/submissions/{id}"},
	{"GET /uebernahme/{id}/stand", submissionState, "GET /v1/submissions/{id}"},
	{"GET /uebernahme/{id}/quittung", receiptContent, "GET /v1/submissions/{id}/receipt"},
	{"POST /uebernahme/{id}/wiederholung", retrySubmission, "POST /v1/submissions/{id}/retry"},
	{"POST /uebernahme/{id}/freigabe", releaseSubmission, "POST /v1/submissions/{id}/release"},
	{"POST /uebernahme/{id}/ablehnung", refuseSubmission, "POST /v1/submissions/{id}/refuse"},

	{"GET /aussonderung", disposalPage, "GET /v1/disposals"},
	{"GET /aussonderung/laeufe", runsPage, "GET /v1/disposals"},
	{"POST /aussonderung/laeufe", createRun, "POST /v1/disposals"},
	{"GET /aussonderung/laeufe/neu", newRunPage, "POST /v1/disposals"},
	{"GET /aussonderung/laeufe/{id}", runPage, "GET /v1/disposals/{id}"},
	{"GET /aussonderung/laeufe/{id}/stand", runState, "GET /v1/disposals/{id}"},
	{"POST /aussonderung/laeufe/{id}/bewertung", decideRun, "POST /v1/disposals/{id}/decisions"},
	{"POST /aussonderung/laeufe/{id}/anbietung", offerRun, "POST /v1/disposals/{id}/offer"},
	{"GET /aussonderung/laeufe/{id}/anbieteverzeichnis", offerList, "GET /v1/disposals/{id}/xdomea"},
	{answerPattern, readAnswer, "POST /v1/disposals/{id}/xdomea"},
	{"POST /aussonderung/laeufe/{id}/zustimmung", approveRun, "POST /v1/disposals/{id}/approval"},
	{"POST /aussonderung/laeufe/{id}/ausfuehrung", executeRun, "POST /v1/disposals/{id}/execution"},
	{"POST /aussonderung/laeufe/{id}/halt", stopRun, "POST /v1/disposals/{id}/stop"},
	{"POST /aussonderung/laeufe/{id}/ruecknahme", withdrawRun, "POST /v1/disposals/{id}/withdrawal"},
	{"POST /aussonderung/laeufe/{id}/abbruch", cancelRun, "POST /v1/disposals/{id}/cancellation"},
	{"POST /aussonderung/laeufe/{id}/uebergabe", handOver, "POST /v1/disposals/{id}/transfers"},
	{"GET /aussonderung/laeufe/{id}/nachweis", certificatePage, "GET /v1/disposals/{id}/certificate"},
	{"GET /aussonderung/laeufe/{id}/nachweis/{format}", certificateFile, "GET /v1/disposals/{id}/certificate"},
	{"GET /aussonderung/sperren", holdsPage, "GET /v1/holds"},
	{"POST /aussonderung/sperren", setHold, "POST /v1/holds"},
	{"GET /aussonderung/sperren/{id}", holdPage, "GET /v1/holds/{id}"},
	{"POST /aussonderung/sperren/{id}/wiedervorlage", reviewHold, "POST /v1/holds/{id}/review"},
	{"POST /aussonderung/sperren/{id}/aufhebung", releaseHold, "POST /v1/holds/{id}/release"},
	{"GET /aussonderung/regeln", rulesPage, "GET /v1/rules"},
	{"POST /aussonderung/regeln", saveRule, "POST /v1/rules"},
	{"GET /aussonderung/regeln.csv", rulesSheet, "GET /v1/rules"},
	{"GET /aussonderung/regeln/datei", ruleFilePage, "POST /v1/rules/import"},
	{rulesPattern, previewRules, "POST /v1/rules/import"},
	{"POST /aussonderung/regeln/datei/uebernahme", importRules, "POST /v1/rules/import"},
	{"GET /aussonderung/regeln/neu", newRulePage, "POST /v1/rules/preview"},
	{"POST /aussonderung/regeln/vorschau", previewRule, "POST /v1/rules/preview"},
	{"GET /aussonderung/regeln/{id}/aenderung", editRulePage, "POST /v1/rules/preview"},
	{"POST /aussonderung/regeln/{id}/fassung/{version}/zustimmung", approveRule, "POST /v1/rules/{id}/versions/{version}/approval"},
	{"GET /aussonderung/betroffene", personsPage, "GET /v1/subject-requests"},
	{"POST /aussonderung/betroffene", createPerson, "POST /v1/subject-requests"},
	{"GET /aussonderung/betroffene/neu", newPersonPage, "POST /v1/subject-requests"},
	{"GET /aussonderung/betroffene/{id}", personPage, "GET /v1/subject-requests/{id}"},
	{"POST /aussonderung/betroffene/{id}/entscheidung", decidePerson, "POST /v1/subject-requests/{id}/decision"},
	{"POST /aussonderung/betroffene/{id}/loeschung", eraseLeft, "POST /v1/subject-requests/{id}/erasure"},
	{"GET /aussonderung/betroffene/{id}/auskunft/{format}", statementFile, "GET /v1/subject-requests/{id}/statement"},
	{"GET /aussonderung/berichte", reportsPage, "GET /v1/reports/due"},
	{"GET /aussonderung/berichte/{name}/{format}", reportFile, "GET /v1/reports/due"},
	{"GET /aussonderung/genehmigungen", permitsPage, "GET /v1/permits"},
	{"POST /aussonderung/genehmigungen", proposePermit, "POST /v1/permits"},
	{"POST /aussonderung/genehmigungen/{id}/zustimmung", approvePermit, "POST /v1/permits/{id}/approval"},
	{"POST /aussonderung/genehmigungen/{id}/widerruf", revokePermit, "POST /v1/permits/{id}/revoke"},

	{"GET /bestandserhaltung", preservationPage, "GET /v1/fixity"},
	{"POST /betrieb/aufgaben/{kind}/start", runSchedule, "POST /v1/schedules/{kind}/run"},
	{"POST /betrieb/aufgaben/{kind}/pause", pauseSchedule, "POST /v1/schedules/{kind}/pause"},
	{"POST /betrieb/aufgaben/{kind}/weiter", resumeSchedule, "POST /v1/schedules/{kind}/resume"},
	{"POST /bestandserhaltung/lesen", readAll, "POST /v1/schedules/{kind}/run"},
	{"POST /bestandserhaltung/zeitstempel", stampNow, "POST /v1/evidence/batches"},
	{"POST /bestandserhaltung/erneuerung", renewNow, "POST /v1/evidence/renewals"},
	{"GET /betrieb", operationPage, "GET /v1/operation"},
	{"GET /betrieb/stand", operationState, "GET /v1/operation"},
	{"POST /betrieb/auftraege/{id}/wiederholung", retryJob, "POST /v1/jobs/{id}/retry"},

	{"GET /verwaltung", usersPage, "GET /v1/users"},
	{"POST /verwaltung/benutzer", createUser, "POST /v1/users"},
	{"POST /verwaltung/benutzer/{id}/kennwort", resetPassword, "POST /v1/users/{id}/password"},
	{"POST /verwaltung/benutzer/{id}/rollen", setRoles, "POST /v1/users/{id}/roles"},
	{"POST /verwaltung/benutzer/{id}/person", setPerson, "POST /v1/users/{id}/person"},
	{"POST /verwaltung/benutzer/{id}/sperre", lockUser, "POST /v1/users/{id}/lock"},
	{"POST /verwaltung/benutzer/{id}/entsperrung", unlockUser, "POST /v1/users/{id}/unlock"},
	{"GET /verwaltung/benutzer/{id}/sitzungen", sessionsPage, "GET /v1/users/{id}/sessions"},
	{"POST /verwaltung/benutzer/{id}/sitzungen/ende", endSessionsOf, "POST /v1/users/{id}/sessions/end"},
	{"POST /verwaltung/benutzer/{id}/sitzungen/{session}/ende", endSessionOf, "POST /v1/users/{id}/sessions/{session_id}/end"},
	{"GET /verwaltung/zugaenge", tokensPage, "GET /v1/tokens"},
	{"POST /verwaltung/zugaenge", createToken, "POST /v1/tokens"},
	{"POST /verwaltung/zugaenge/{id}/widerruf", revokeToken, "POST /v1/tokens/{id}/revoke"},
	{"GET /verwaltung/protokoll", auditPage, "GET /v1/audit"},
	{"GET /verwaltung/mandanten", tenantsPage, "GET /v1/tenants"},
	{"GET " + settingsPath, settingsPage, "POST /v1/tenant/settings"},
	{"POST " + settingsPath, setSettings, "POST /v1/tenant/settings"},

	{"GET /einrichtung", setupPage, "POST /v1/tenant/setup"},
	{"GET /einrichtung/name", setupStepPage, "POST /v1/tenant/setup"},
	{"GET /einrichtung/personen", setupStepPage, "POST /v1/tenant/setup"},
	{"GET /einrichtung/aktenplan", setupStepPage, "POST /v1/tenant/setup"},
	{"GET /einrichtung/siegel", setupStepPage, "POST /v1/tenant/setup"},
	{"GET /einrichtung/speicher", setupStepPage, "POST /v1/tenant/setup"},
	{"GET /einrichtung/abschluss", setupStepPage, "POST /v1/tenant/setup"},
	{"POST /einrichtung/{step}/weiter", passStep, "POST /v1/tenant/setup"},
	{"POST /einrichtung/name", setTenantName, "POST /v1/tenant/rename"},
	{"POST /einrichtung/personen", addSecond, "POST /v1/users"},
	{"POST /einrichtung/personen/ich", setOwnName, "POST /v1/users/{id}/rename"},
	{planPattern, setPlan, "POST /v1/classification"},
	{"POST /einrichtung/siegel", trySeal, "POST /v1/equipment/seal/trial"},
	{"POST /einrichtung/speicher", tryStore, "POST /v1/equipment/store/trial"},
	{"POST /einrichtung/abschluss", finishSetup, "POST /v1/tenant/setup"},
	{"POST /einrichtung/verzicht", skipSetup, "POST /v1/tenant/setup"},

	{"GET /arbeit", work, "GET /v1/submissions"},

	{"GET /profil", profilePage, ""},
	{"POST /profil/kennwort", changePassword, ""},
	{"POST /profil/sitzungen/{id}/ende", endSession, ""},
	{"POST /abmelden", logout, ""},
}

// quiet are the pages that scripts ask for by themselves: that they do keeps no
// session alive.
var quiet = []string{"GET /uebernahme/liste", "GET /uebernahme/{id}/stand", "GET /betrieb/stand", "GET /arbeit", "GET /aussonderung/laeufe/{id}/stand"}

// Config is what the pages are made of.
type Config struct {
	API     *api.Server
	Catalog *catalog.DB
	// Provider vouches for people; nil: there is none, and all have passwords here.
	Provider *oidc.Provider
	// PublicURL is the address under which people reach the pages, such as
	// https://archiv.example.de; "": that of the request.
	PublicURL string
	// Accessibility is Markdown: whom to write to, the day on which the accessibility
	// statement was prepared, and the enforcement body (BITV 2.0 §7); nil: nobody said.
	Accessibility []byte
	Grace         int              // days that an approved disposal run waits where its order says nothing else
	Now           func() time.Time // time.Now when nil
	Log           *slog.Logger
}

// UI answers requests for pages. It is safe for concurrent use.
type UI struct {
	Config
	mux       *http.ServeMux
	needs     map[string]string                  // which route of the interface decides who sees a page, by its pattern
	templates map[string]map[string]pageTemplate // by language and name
	assets    *assets
	gate      auth.Attempts
	once      once
	streams   streams
	refusals  refusals
	sealing   [32]byte // key of what browsers keep while people are at the provider
	stopping  sync.Once
	stopped   chan struct{}
}

// New puts the pages together.
func New(c Config) (*UI, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	u := &UI{Config: c, mux: http.NewServeMux(), needs: map[string]string{}, stopped: make(chan struct{})}
	rand.Read(u.sealing[:])                          // never fails
	if p := c.Provider; p != nil && p.Secret != "" { // all nodes of an installation have it
		u.sealing = sha256.Sum256([]byte("attempt\x00" + p.Secret))
	}
	var err error
	if u.assets, err = openAssets(); err != nil {
		return nil, err
	}
	if u.templates, err = pageTemplates(u.assets); err != nil {
		return nil, err
	}
	for _, p := range pages {
		u.mux.HandleFunc(p.pattern, u.inside(p))
		u.needs[p.pattern] = p.needs
	}
	for _, p := range open {
		u.mux.HandleFunc(p.pattern, u.outside(p.do))
	}
	u.mux.Handle("GET /asset/", u.assets)
	u.mux.HandleFunc("/", u.outside(func(v *visit) error { return errNotFound }))
	return u, nil
}

// open is every page that needs no login.
var open = []page{
	{"GET /anmelden", loginPage, ""},
	{"POST /anmelden", login, ""},
	{"GET " + providerPath, beginAtProvider, ""},
	{"GET " + answerPath, endAtProvider, ""},
	{"POST /ansicht", setView, ""},
	{"GET /barrierefreiheit", statementPage, ""},
	{"GET /hilfe", helpPage, ""},
	{"GET /hilfe/{name}", helpPage, ""},
	{"GET /schnittstelle", interfacePage, ""},
}

// policy is the content security policy of every page.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// ServeHTTP answers a request for a page.
func (u *UI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	if r.TLS != nil {
		h.Set("Strict-Transport-Security", "max-age=63072000")
	}
	u.mux.ServeHTTP(w, r)
}

// short names a thing by a few characters of its digest.
func short(b []byte) string { return fmt.Sprintf("%x", sha256.Sum256(b))[:12] }
