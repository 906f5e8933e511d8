package api

import (
	"fmt"
	"strings"
	"testing"

	"bestand/api/auth"
	"bestand/preservation/catalog"
)

// TestHostileMetadata: whatever stands in the metadata is refused with the name
// of the field, or kept exactly.
func TestHostileMetadata(t *testing.T) {
	t.Parallel()
	a := newArchive(t)
	dms := a.token(ours, "dms", auth.Submitter, auth.Archivist)
	n := 0
	send := func(text string) (answer, string) {
		n++
		id := fmt.Sprint("h-", n)
		return a.submit(dms, metadataPart(strings.ReplaceAll(text, "ID", id)), filePart("a.txt", "a")), id
	}
	with := func(member string) string {
		return `{"producer":"dms","producer_record_id":"ID","class":"63.10","title":"T",` + member + `}`
	}
	titled := func(title string) string {
		return `{"producer":"dms","producer_record_id":"ID","class":"63.10","title":` + title + `}`
	}
	for name, c := range map[string]struct {
		text   string
		status int
		field  string
	}{
		"NUL":                        {titled(`"a\u0000b"`), 422, "title"},
		"escape sequence":            {titled(`"a\u001b[2Jb"`), 422, "title"},
		"C1 control":                 {titled(`"a\u009bb"`), 422, "title"},
		"RTL override":               {titled(`"a\u202eb"`), 422, "title"},
		"noncharacter":               {titled(`"a\uffffb"`), 422, "title"},
		"raw control":                {titled("\"a\x01b\""), 400, ""},
		"raw invalid UTF-8":          {titled("\"a\xffb\""), 400, ""},
		"UTF-8 of a surrogate":       {titled("\"a\xed\xa0\x80b\""), 400, ""},
		"lone high surrogate":        {titled(`"a\ud800b"`), 400, ""},
		"lone low surrogate":         {titled(`"a\udc00b"`), 400, ""},
		"surrogates the wrong way":   {titled(`"\udc00\ud800"`), 400, ""},
		"high surrogate twice":       {titled(`"\ud83c\ud83c\udfdb"`), 400, ""},
		"lone surrogate in a name":   {with(`"files":[{"name":"a\ud800.txt"}]`), 400, ""},
		"lone surrogate as a key":    {with(`"extra":{"\ud800":"x"}`), 400, ""},
		"long title":                 {titled(`"` + strings.Repeat("ä", 1001) + `"`), 422, "title"},
		"title of 10 MB":             {titled(`"` + strings.Repeat("a", 10<<20) + `"`), 413, ""},
		"deep array":                 {with(`"keywords":` + strings.Repeat("[", 400_000)), 400, ""},
		"deep object":                {with(`"extra":` + strings.Repeat(`{"a":`, 150_000)), 400, ""},
		"deep, closed and unknown":   {with(`"x":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000)), 400, ""},
		"key twice":                  {with(`"title":"U"`), 422, "title"},
		"key twice below":            {with(`"extra":{"a":"1","a":"2"}`), 422, "extra.a"},
		"key in another case":        {with(`"TITLE":"U"`), 422, "TITLE"},
		"number":                     {with(`"reference":1e999`), 422, "reference"},
		"number as a flag":           {with(`"personal_data":1e999`), 422, "personal_data"},
		"number that is none":        {with(`"reference":NaN`), 400, ""},
		"unknown field":              {with(`"__proto__":{}`), 422, "__proto__"},
		"very many unknown fields":   {with(members(20_000, `"f%d":1`)), 422, "f0"},
		"very many further fields":   {with(`"extra":{` + members(201, `"f%d":"1"`) + `}`), 422, "extra"},
		"very many keywords":         {with(`"keywords":[` + members(201, `"k%d"`) + `]`), 422, "keywords"},
		"very many subjects":         {with(`"subjects":[` + members(1001, `{"name":"k%d"}`) + `]`), 422, "subjects"},
		"empty further field":        {with(`"extra":{"":"x"}`), 422, "extra[]"},
		"control in a further field": {with(`"extra":{"a\u0007":"x"}`), 422, "extra[a\a]"},
		"control in its value":       {with(`"extra":{"a":"x\u0007"}`), 422, "extra[a]"},
		"array for a text":           {titled(`["T"]`), 422, "title"},
		"null for a text":            {titled(`null`), 422, "title"},
		"blank":                      {titled(`" \u200b\u2060 "`), 422, "title"},
		"two texts":                  {titled(`"T"`) + titled(`"T"`), 400, ""},
		"byte order mark":            {"\ufeff" + titled(`"T"`), 400, ""},
		"name of 5000 bytes":         {with(`"files":[{"name":"` + strings.Repeat("a", 5000) + `"}]`), 422, "files[0].name"},
		"day with a time":            {with(`"closed":"2015-11-30T00:00:00Z"`), 422, "closed"},
		"year 10000":                 {with(`"closed":"10000-01-01"`), 422, "closed"},
		"digest with a sign":         {with(`"files":[{"name":"a.txt","sha256":"+` + strings.Repeat("0", 63) + `"}]`), 422, "files[0].sha256"},
	} {
		v, id := send(c.text)
		if v.StatusCode != c.status {
			t.Errorf("%s: %d, want %d: %.300s", name, v.StatusCode, c.status, v.body)
			continue
		}
		if c.field != "" && v.field(t, c.field) == "" {
			t.Errorf("%s: %s is not named: %.300s", name, c.field, v.body)
		}
		if len(v.body) > 64<<10 {
			t.Errorf("%s: an answer of %d bytes", name, len(v.body))
		}
		if _, err := a.db.Tenant(ours).SubmissionBySource(t.Context(), "dms", id); err == nil {
			t.Errorf("%s: it was taken in all the same", name)
		}
	}
	for _, title := range []string{
		`=cmd|'/C calc'!A0`, `+1`, `-1`, `@SUM(A1)`, "\t=1", `<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `{{.}}`, `${jndi:ldap://x}`,
		`'; DROP TABLE record; --`, `%00%0d%0a`, "Zeile\r\nzwei", "é e\u0301", "🏛 \U0010fffd", "a\u2028b", strings.Repeat("ä", 1000), `\ud800`, "\ufffd", "null", "1e999",
	} {
		n++
		m := metadata(fmt.Sprint("k-", n), "title", title, "reference", title, "creator", title, "keywords", []string{title}, "extra", map[string]string{title: title})
		if len(title) > 200 {
			m["extra"], m["keywords"], m["reference"], m["creator"] = nil, nil, nil, nil
		}
		sub := decode[Accepted](t, a.submit(dms, metadataPart(m), filePart("a.txt", "a")).want(t, 202)).ID
		kept, err := a.db.Tenant(ours).Submission(t.Context(), sub)
		if err != nil || kept.Metadata.Title != title || m["extra"] != nil && (kept.Metadata.Extra[title] != title || kept.Metadata.Keywords[0] != title || kept.Metadata.Reference != title) {
			t.Errorf("%q was kept as %+v, %v", title, kept.Metadata, err)
		}
	}
	if all, err := a.db.Tenant(ours).Submissions(t.Context(), catalog.SubmissionFilter{}, "", 100); err != nil || len(all) != 20 {
		t.Errorf("%d submissions, %v", len(all), err)
	}
	for line := range strings.Lines(a.log.String()) {
		if strings.ContainsAny(strings.TrimSuffix(line, "\n"), "\x00\x1b\r\u009b\u202e") {
			t.Errorf("log: %q", line)
		}
	}
}

func members(n int, format string) string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf(format, i)
	}
	return strings.Join(all, ",")
}

// TestDeepJSON: bodies that are larger than those of submissions, and no deeper.
func TestDeepJSON(t *testing.T) {
	t.Parallel()
	a := newArchive(t)
	admin := a.token(ours, "admin", auth.Admin)
	for _, path := range []string{"/v1/classification", "/v1/rules", "/v1/holds", "/v1/tokens"} {
		for _, open := range []string{"[", `{"a":`, `{"classes":[`} {
			deep := strings.Repeat(open, 900_000/len(open))
			if v := a.do(admin, "POST", path, deep); v.StatusCode != 400 || len(v.body) > 1000 {
				t.Errorf("%s %s: %d %.300s", path, open, v.StatusCode, v.body)
			}
		}
	}
}
