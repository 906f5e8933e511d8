package catalog

import "fmt"

// FeedQueries are how SQLite is asked for the feed, with arguments.
var FeedQueries = map[string][]any{
	feedAfter:  {"a", 0, 7, 100},
	feedBehind: {"a", 0, 7},
	feedEnd:    {"a"},
}

// OfClassQuery is how SQLite is asked for the records of a class, with arguments.
var OfClassQuery, OfClassArgs = ofClass, []any{"a", "63.10", 7, "b", 200}

// PartQueries are how SQLite is asked for the parts of records, with arguments.
var PartQueries = map[string][]any{
	partsOf:                           {"a", "b", "c", 200},
	fmt.Sprintf(partsOfAll, "$3, $4"): {"a", 200, "b", "c"},
}

// ClaimedQuery is how SQLite is asked for the destructions that were claimed, with arguments.
var ClaimedQuery, ClaimedArgs = claimedDisposals, []any{"a", "b", 200}

// StampQueries are how SQLite is asked for what waits and what ages, with arguments
// and the way that each must take.
var StampQueries = []struct {
	Query, Way string
	Args       []any
}{
	{unstamped, "record_object_unstamped", []any{"a", "b", 1, 500}},
	{lastStamped, "stamp_time", []any{"a"}},
	{bareTokens, "stamp_bare", []any{"a"}},
	{aged, "record_object USING PRIMARY KEY (tenant=? AND record_id>?)", []any{"a", "SHA-256", "b", 1, 500}},
}

// Where is the condition of a list of records, and its arguments.
func (f RecordFilter) Where() (string, []any) {
	q := f.where("a", sqlite)
	return q.cond, q.args
}

// Where is the condition of what retention looks at, and its arguments.
func (f RetentionFilter) Where() (string, []any) {
	q := f.where("a", "")
	return q.cond, q.args
}

// During is the handle that a handler works with in the attempt at a job.
func (t *Tenant) During(j Job) *Tenant { return t.during(j) }
