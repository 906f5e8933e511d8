package audit

import (
	"bytes"
	"fmt"
	"strconv"
)

const (
	// CodeForkAccepted is the notice about an entry that tells of a fork of the log.
	CodeForkAccepted = "audit-fork-accepted"
	// CodeBranch is the notice about a segment that is a branch beside the log by such an entry.
	CodeBranch = "audit-branch"

	// ActionAcceptFork is the action of that entry; its object is the key of the segment.
	ActionAcceptFork = "audit.accept-fork"
)

// Branch is a segment that does not go with the log: somebody put it into the bucket, or
// the archive wrote it and nothing proves that any more. Numbers are 0, and hashes
// empty, of what cannot be read.
type Branch struct {
	Segment, SHA256 string // key and digest of the object
	First, Last     int64  // entries
	Head            string // Hash of the last entry
	Common          int64  // the last entry that log and branch have both
	CommonHash      string
	LogLast         int64 // where the log ended when a person looked
	LogHead         string
	Why             string // the branch is no part of the log
}

// AcceptFork is the entry by which a person, by name, accepts that a branch stays beside the log,
// which goes on with what the catalog has.
func AcceptFork(b Branch, actor, by, reason string) Entry {
	d := map[string]string{"sha256": b.SHA256, "why": b.Why, "by": by, "reason": reason,
		"log_last": strconv.FormatInt(b.LogLast, 10), "log_head": b.LogHead}
	if b.First > 0 {
		d["branch_first"], d["branch_last"], d["branch_head"] = strconv.FormatInt(b.First, 10), strconv.FormatInt(b.Last, 10), b.Head
	}
	if b.CommonHash != "" {
		d["common"], d["common_hash"] = strconv.FormatInt(b.Common, 10), b.CommonHash
	}
	return Entry{Actor: actor, Action: ActionAcceptFork, Object: b.Segment, Detail: d}
}

// Branch returns the branch that an entry accepted.
func (e Entry) Branch() (b Branch, ok bool) {
	if e.Action != ActionAcceptFork {
		return b, false
	}
	n := func(name string) int64 {
		n, _ := strconv.ParseInt(e.Detail[name], 10, 64) // 0 where there is none
		return n
	}
	return Branch{Segment: e.Object, SHA256: e.Detail["sha256"], First: n("branch_first"), Last: n("branch_last"), Head: e.Detail["branch_head"],
		Common: n("common"), CommonHash: e.Detail["common_hash"], LogLast: n("log_last"), LogHead: e.Detail["log_head"], Why: e.Detail["why"]}, true
}

// String tells a branch to a person, with all that the entry about it proves.
func (b Branch) String() string {
	s := fmt.Sprintf("%s (SHA-256 %s)", b.Segment, b.SHA256)
	if b.First > 0 {
		s += fmt.Sprintf(" holds entries %d to %d (%s)", b.First, b.Last, b.Head)
	}
	if b.CommonHash == "" {
		s += ", follows no entry of the log"
	} else {
		s += fmt.Sprintf(", the last entry that the log has as well is %d (%s)", b.Common, b.CommonHash)
	}
	return s + fmt.Sprintf("; the log went on to entry %d (%s); %s", b.LogLast, b.LogHead, b.Why)
}

// Branches returns the branches that entries of a segment accepted.
func Branches(content []byte) (all []Branch) {
	if !bytes.Contains(content, []byte(ActionAcceptFork)) {
		return nil
	}
	_, entries, _ := Decode(content) // what is wrong with it, a Chain says
	for _, e := range entries {
		if b, ok := e.Branch(); ok {
			all = append(all, b)
		}
	}
	return all
}
