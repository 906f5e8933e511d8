package ui

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"bestand/api"
	"bestand/api/auth"
	"bestand/preservation"
	"bestand/preservation/catalog"
)

//go:embed template/*.html
var templateFiles embed.FS

// frame is what every page has around it.
type frame struct {
	Lang      *language
	Languages []*language
	Theme     string
	Title     string
	Path      string      // of this page, to come back to
	Kept      []keptField // of a form that was sent when the session was over, to come back with
	Tenant    string
	User      catalog.User
	CSRF      string
	Once      string // of forms that are sent once
	Sections  []section
	Crumbs    []crumb
	Notice    string // key of what was done
	Data      any

	v *visit
}

// section is an entry of the main navigation.
type section struct {
	Key, Path string
	Here      bool
}

// crumb is a page above this one.
type crumb struct{ Title, Path string }

// sections in their order, each with the route that decides who sees it.
var sections = []struct{ key, path, needs string }{
	{"start", "/", ""},
	{"search", "/suche", "GET /v1/records"},
	{"plan", "/aktenplan", "GET /v1/records"},
	{"submissions", "/uebernahme", "GET /v1/submissions"},
	{"disposal", "/aussonderung", "GET /v1/disposals"},
	{"preservation", "/bestandserhaltung", "GET /v1/fixity"},
	{"operation", "/betrieb", "GET /v1/operation"},
	{"administration", "/verwaltung", "GET /v1/users"},
}

// May reports whether the interface permits a route, to leave out what would be refused.
func (f frame) May(pattern string) bool { return f.v.may(pattern) }

// Who is how a page names whoever did something.
func (f frame) Who(actor string) string { return f.v.nameOf(actor) }

// Mark tells people apart without saying who they are, so that what one of them typed is
// not shown to another; "" for nobody.
func (f frame) Mark() string {
	if f.User.ID == "" {
		return ""
	}
	return short([]byte(string(f.User.Tenant) + "/" + f.User.ID))
}

// Called is the title of a record, or its identifier where the page knows none.
func (f frame) Called(id preservation.RecordID) string { return cmp.Or(f.v.titles[id], string(id)) }

// Page is what an address is followed by to come back to this page of a list.
func (f frame) Page() string {
	if after := f.v.r.URL.Query().Get("after"); after != "" {
		return "?" + url.Values{"after": {after}}.Encode()
	}
	return ""
}

// With is the frame for a part that is about something else than the page.
func (f frame) With(data any) frame {
	f.Data = data
	return f
}

// pageTemplate returns what a page is made of, with its own copy of the frame and the
// parts. It is parsed when it is first shown: together they take 20 MB, and most are
// never asked for.
type pageTemplate func() (*template.Template, error)

// pageTemplates lists the pages by language and name.
func pageTemplates(a *assets) (map[string]map[string]pageTemplate, error) {
	if err := loadTexts(); err != nil {
		return nil, err
	}
	files, err := fs.Glob(templateFiles, "template/*.html")
	if err != nil {
		return nil, err
	}
	all := map[string]map[string]pageTemplate{}
	for _, l := range languages {
		shared, err := template.New("").Funcs(functions(l, a)).ParseFS(templateFiles, "template/frame.html", "template/part.html", "template/input.html")
		if err != nil {
			return nil, err
		}
		all[l.code] = map[string]pageTemplate{}
		for _, file := range files {
			all[l.code][strings.TrimSuffix(path.Base(file), ".html")] = sync.OnceValues(func() (*template.Template, error) {
				t, err := shared.Clone()
				if err != nil {
					return nil, err
				}
				return t.ParseFS(templateFiles, file)
			})
		}
	}
	return all, nil
}

func functions(l *language, a *assets) template.FuncMap {
	return template.FuncMap{
		"t": l.t, "n": l.n, "coded": l.coded, "number": l.number, "size": l.size, "date": l.date, "time": l.time,
		"asset": a.url,
		"iso":   func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"icon": func(name string) template.HTML {
			return template.HTML(`<span class="kern-icon kern-icon--` + template.HTMLEscapeString(name) + `" aria-hidden="true"></span>`)
		},
		"path":  func(parts ...any) string { return joinPath(parts...) },
		"tone":  tone,
		"list":  func(all ...any) []any { return all },
		"fault": func(all map[string]api.FieldError, field string) *api.FieldError { return faultOf(all, field) },
		"field": newField, "choice": newChoice, "why": l.why, "ruleValue": l.ruleValue,
		"rolesIn": func(all []auth.Role, chosen map[string]bool, id string, f *api.FieldError) roleChoice {
			return roleChoice{all, chosen, id, f}
		},
		"rolesOf":  rolesOf,
		"told":     l.told,
		"duration": l.duration,
		"format":   l.format,
		"rhythm":   l.rhythm,
		"remedy":   l.remedy,
		"trouble":  l.trouble,
		"searchOf": searchOf,
		"fates":    fates,
		"lost":     lost,
		"detail":   l.detail,
		"audited":  l.audited,
		"acted":    l.acted,
		"decimal":  l.decimal,
		"stampat":  l.stampAt,
		"base":     path.Base,
		"holder":   l.holder,
		"wrong":    l.wrong,
		"browser":  l.browser,
	}
}

// joinPath makes an address from parts, of which every second one is escaped.
func joinPath(parts ...any) string {
	var b strings.Builder
	for i, p := range parts {
		if s := fmt.Sprint(p); i%2 == 0 {
			b.WriteString(s)
		} else {
			b.WriteString(url.PathEscape(s))
		}
	}
	return b.String()
}

// tone is the colour of a code, beside its word and icon.
func tone(code any) string {
	switch fmt.Sprint(code) {
	case "archived", "passed", "success", "intact", "stamped", "valid", "active", "permanent", "completed", "approved", "transferred", "granted", "in-force", "saved":
		return "success"
	case "partial", "quarantined", "barred", "warning", "notice", "due", "held", "unresolved", "invalid", "not validated", "no rendition", "pending", "stopped", "executing", "past", "left", "draft", "restricted", "unread", "purging":
		return "warning"
	case "rejected", "failed", "failure", "damaged", "conflict", "dead", "destroyed", "refused", "blocked", "overdue":
		return "danger"
	}
	return "info"
}

func faultOf(all map[string]api.FieldError, field string) *api.FieldError {
	if f, ok := all[field]; ok {
		return &f
	}
	return nil
}

// show answers with a page.
func (v *visit) show(name, title string, data any, crumbs ...crumb) error {
	return v.showStatus(http.StatusOK, name, title, data, crumbs...)
}

func (v *visit) showStatus(status int, name, title string, data any, crumbs ...crumb) error {
	f := v.frame(title, data, crumbs...)
	f.Notice = v.notice()
	return v.write(status, name, "frame", f)
}

// showPart answers with one block of a page, which replaces it there.
func (v *visit) showPart(name, block string, data any) error {
	return v.write(http.StatusOK, name, block, v.frame("", data))
}

func (v *visit) frame(title string, data any, crumbs ...crumb) frame {
	f := frame{Lang: v.lang, Languages: languages, Theme: v.theme, Title: title, Path: v.r.URL.RequestURI(), User: v.session.User, CSRF: v.csrf, Once: rand.Text(), Crumbs: crumbs, Data: data, v: v}
	switch p, asks := data.(loginView); {
	case asks && len(p.Kept) > 0:
		f.Path, f.Kept = p.Next, p.Kept
	case asks:
		f.Path = withNext("/anmelden", p.Next)
	case v.r.Method != http.MethodGet:
		f.Path = v.ui.pageOf(v.r.URL.Path)
	}
	if p, own := data.(profileView); own {
		f.Path = withNext("/profil", p.Next)
	}
	if v.session.Hash == "" {
		return f
	}
	f.Crumbs = slices.DeleteFunc(f.Crumbs, func(c crumb) bool { return !v.opens(c.Path) })
	if info, err := v.ui.Catalog.Tenant(v.who.Tenant).Info(v.r.Context()); err == nil {
		f.Tenant = info.Name
	}
	for _, s := range sections {
		if s.needs == "" || v.may(s.needs) {
			at := v.r.URL.Path
			here := at == s.path || s.path != "/" && strings.HasPrefix(at, s.path+"/") || s.path == "/suche" && strings.HasPrefix(at, "/akte/")
			f.Sections = append(f.Sections, section{s.key, s.path, here})
		}
	}
	return f
}

// write makes the page whole before its first byte is sent.
func (v *visit) write(status int, name, block string, f frame) error {
	page, err := v.ui.templates[v.lang.code][name]()
	if err != nil {
		return fmt.Errorf("page %s: %w", name, err)
	}
	var b bytes.Buffer
	if err := page.ExecuteTemplate(&b, block, f); err != nil {
		return fmt.Errorf("page %s: %w", name, err)
	}
	h := v.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Vary", "Accept-Encoding, Cookie")
	body := straight(b.Bytes())
	if takesGzip(v.r) && len(body) > 1400 {
		h.Set("Content-Encoding", "gzip")
		body = squeeze(body)
	}
	v.w.WriteHeader(status)
	v.w.Write(body) // where the browser is gone, nobody can be told
	return nil
}

// straight replaces the characters that reverse the direction of writing (UAX #9:
// embeddings, overrides, isolates) in the text of a page. Names of files come byte for
// byte: one of these makes an .exe look like a .txt and writes what follows it backwards.
// Within a tag and a text area they stay, for what stands there is sent back.
func straight(page []byte) []byte {
	out, from, tag, area := page, 0, false, false
	for at := 0; ; {
		i := bytes.IndexByte(page[at:], 0xE2)
		if i < 0 {
			return out
		}
		at += i
		r, size := utf8.DecodeRune(page[at:])
		if reverses(r) {
			tag = last(page[from:at], tag, "<", ">")
			area = last(page[from:at], area, "<textarea", "</textarea")
			from = at
			if !tag && !area {
				if &out[0] == &page[0] {
					out = bytes.Clone(page)
				}
				copy(out[at:], "\uFFFD") // as long as what it replaces
			}
		}
		at += size
	}
}

// last reports which of two marks stands last in a text; before it was the first or not.
func last(text []byte, before bool, first, second string) bool {
	a, b := bytes.LastIndex(text, []byte(first)), bytes.LastIndex(text, []byte(second))
	return a > b || a == b && before
}

// reverses reports whether a character changes the direction of what follows it.
func reverses(r rune) bool { return r >= 0x202A && r <= 0x202E || r >= 0x2066 && r <= 0x2069 }
