package audit

import (
	"fmt"
	"maps"
	"strconv"
	"time"

	"bestand/preservation"
)

// Codes of findings about what a log tells of itself. They are notices: nothing is wrong
// with the log, but not all that it tells of needs to be in the archive.
const (
	CodeRestored = "audit-restored" // the archive was restored from a backup
	CodeResumed  = "audit-resumed"  // its catalog was older than the bucket
	CodeRebuilt  = "audit-rebuilt"  // its catalog was lost and made anew
)

const (
	actionRestore = "tenant.restore"
	actionResume  = "audit.resume"
	actionRebuild = "tenant.rebuild"
)

// Restored is the entry about a restore from a backup of an instant, whose log ended with
// one entry. The segments go up to another: those in between came later.
func Restored(tenant preservation.TenantID, backup time.Time, end, sealed int64) Entry {
	e := Entry{Actor: "cli", Action: actionRestore, Object: string(tenant), Detail: map[string]string{
		"backup": backup.UTC().Format(time.RFC3339), "log_end": strconv.FormatInt(end, 10)}}
	if sealed > end {
		e.Detail["later_first"], e.Detail["later_last"] = strconv.FormatInt(end+1, 10), strconv.FormatInt(sealed, 10)
	}
	return e
}

// Rebuilt is the entry about a catalog that got what the bucket has. One that was made anew
// has the log up to the last entry of the bucket; 0 stands for one that was there. later:
// what lies in the packages was not read.
func Rebuilt(tenant preservation.TenantID, sealed int64, later bool) Entry {
	e := Entry{Actor: "cli", Action: actionRebuild, Object: string(tenant), Detail: map[string]string{"contents": "read"}}
	if later {
		e.Detail["contents"] = "later"
	}
	if sealed > 0 {
		e.Detail["log_end"] = strconv.FormatInt(sealed, 10)
	}
	return e
}

// Resumed is the entry before those that a catalog had noted from one number to another
// while the bucket had others under these.
func Resumed(tenant preservation.TenantID, first, last int64) Entry {
	return Entry{Actor: "system", Action: actionResume, Object: string(tenant), Detail: map[string]string{
		"noted_first": strconv.FormatInt(first, 10), "noted_last": strconv.FormatInt(last, 10)}}
}

// Again is an entry to be appended once more, which had another number. One to which
// that happened before keeps its first number and time.
func (e Entry) Again(noted int64) Entry {
	detail := maps.Clone(e.Detail)
	if detail == nil {
		detail = map[string]string{}
	}
	if detail["noted_as"] == "" {
		detail["noted_as"], detail["noted_at"] = strconv.FormatInt(noted, 10), e.At.UTC().Format(time.RFC3339Nano)
	}
	return Entry{Actor: e.Actor, Action: e.Action, Object: e.Object, Detail: detail}
}

// noted says when an entry was noted first, under which number, and what to call it: one
// that was appended once more (Again) tells of the time before that.
func (e Entry) noted() (at time.Time, seq int64, name string) {
	seq, err := strconv.ParseInt(e.Detail["noted_as"], 10, 64)
	if err != nil {
		return e.At, e.Seq, fmt.Sprintf("entry %d", e.Seq)
	}
	if at, err = time.Parse(time.RFC3339Nano, e.Detail["noted_at"]); err != nil {
		at = e.At
	}
	return at, seq, fmt.Sprintf("entry %d, noted as %d before,", e.Seq, seq)
}

// History are the findings about what some entries tell of the log itself.
func History(subject string, entries []Entry) (found []preservation.Finding) {
	f := &findings{subject: subject}
	for _, e := range entries {
		when, seq, name := e.noted()
		at, d := when.UTC().Format(time.RFC3339), e.Detail
		if b, ok := e.Branch(); ok {
			f.add(preservation.Notice, CodeForkAccepted, "%s: at %s %s (%s) accepted that the log forked: %s; the reason: %s", name, at, d["by"], e.Actor, b, d["reason"])
		}
		if e.Action == ActionTakeUp {
			f.add(preservation.Notice, CodeTakenUp, "%s: at %s %s (%s) found that %s (SHA-256 %s) with entries %s to %s, which nothing proved then, is part of the log; the reason: %s", name, at, d["by"], e.Actor, e.Object, d["sha256"], d["first"], d["last"], d["reason"])
		}
		switch {
		case e.Action == actionRestore && d["later_first"] != "":
			f.add(preservation.Notice, CodeRestored, "%s: restored at %s from the backup of %s, whose log ended with entry %s; entries %s to %s are later and are left in sealed segments alone: what they tell of is back only where a later copy had it",
				name, at, d["backup"], d["log_end"], d["later_first"], d["later_last"])
		case e.Action == actionRestore && d["log_end"] != "":
			f.add(preservation.Notice, CodeRestored, "%s: restored at %s from the backup of %s, whose log ended with entry %s; what was noted between backup and loss is not in this log: segments that were exported then prove it",
				name, at, d["backup"], d["log_end"])
		case e.Action == actionRestore:
			f.add(preservation.Notice, CodeRestored, "%s: restored at %s from the backup of %s", name, at, d["backup"])
		case e.Action == actionRebuild && d["log_end"] != "":
			f.add(preservation.Notice, CodeRebuilt, "%s: at %s the catalog was made anew from the bucket, whose log ended with entry %s; what was noted behind that, in the minutes before the loss, is lost",
				name, at, d["log_end"])
		case e.Action == actionResume:
			f.add(preservation.Notice, CodeResumed, "%s: at %s the catalog was older than the bucket; what it had noted as entries %s to %s follows, with those numbers and times, behind the newest sealed entry %d",
				name, at, d["noted_first"], d["noted_last"], seq-1)
		}
	}
	return f.all
}
