package audit

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"bestand/preservation"
)

const (
	// CodeForkAccepted is the notice about an entry that tells of a fork of the log.
	CodeForkAccepted = "audit-fork-accepted"
	// CodeBranch is the notice about a segment that is a branch beside the log by such an entry.
	CodeBranch = "audit-branch"

	// ActionAcceptFork is the action of that entry; its object is the key of the segment.
	ActionAcceptFork = "audit.accept-fork"
	// CodeTakenUp is the notice about an entry that tells of a segment without a seal that a
	// person took for part of the log.
	CodeTakenUp = "audit-taken-up"
	// ActionTakeUp is the action of that entry; its object is the key of the segment.
	ActionTakeUp = "audit.take-up"
	// ActionPassBranch is that of an entry that lets the log go on (PassBranch).
	ActionPassBranch = "audit.pass-branch"

	// maxDetail is the most bytes of a text in that entry.
	maxDetail = 2000
)

// Branch is a segment that does not go with the log: somebody put it into the bucket, or
// the archive wrote it and nothing proves that any more. Numbers are 0, and hashes
// empty, of what cannot be read.
type Branch struct {
	Segment, SHA256 string // key and digest of the object
	First, Last     int64  // entries
	Head            string // Hash of the last entry; empty if the chain up to there does not hold
	Common          int64  // the last entry that log and branch have both
	CommonHash      string
	LogLast         int64 // where the log ended when a person looked
	LogHead         string
	Why             string // the branch is no part of the log
}

// AcceptFork is the entry by which a person, by name, accepts that a branch stays beside the log,
// which goes on with what the catalog has.
func AcceptFork(b Branch, actor, by, reason string) Entry {
	d := map[string]string{"sha256": b.SHA256, "why": text(b.Why), "by": text(by), "reason": text(reason),
		"log_last": strconv.FormatInt(b.LogLast, 10), "log_head": b.LogHead}
	if b.First > 0 {
		d["branch_first"], d["branch_last"], d["branch_head"] = strconv.FormatInt(b.First, 10), strconv.FormatInt(b.Last, 10), b.Head
	}
	if b.CommonHash != "" {
		d["common"], d["common_hash"] = strconv.FormatInt(b.Common, 10), b.CommonHash
	}
	return Entry{Actor: actor, Action: ActionAcceptFork, Object: b.Segment, Detail: d}
}

// TakeUp is the entry by which a person, by name, found that a segment which nothing proved is
// part of the log.
func TakeUp(b Branch, actor, by, reason string) Entry {
	return Entry{Actor: actor, Action: ActionTakeUp, Object: b.Segment, Detail: map[string]string{"sha256": b.SHA256, "by": text(by), "reason": text(reason),
		"first": strconv.FormatInt(b.First, 10), "last": strconv.FormatInt(b.Last, 10), "head": b.Head}}
}

// text is a text as an entry keeps it: some of it comes from what anybody has written.
func text(s string) string { return strings.ToValidUTF8(s[:min(len(s), maxDetail)], "\uFFFD") }

// PassBranch is the entry that lets the next segment end behind a branch that has its key.
func PassBranch(key string) Entry {
	return Entry{Actor: "system", Action: ActionPassBranch, Object: key}
}

// Head follows the chain of some entries of a tenant and returns the last hash. Where an
// entry has another hash than it states, or does not follow the one before it, breaks is
// its number, and there is none.
func Head(tenant preservation.TenantID, entries []Entry) (head string, breaks int64) {
	for n, e := range entries {
		if e.Sum(tenant) != e.Hash || n > 0 && (e.Seq != entries[n-1].Seq+1 || e.Prev != entries[n-1].Hash) {
			return "", e.Seq
		}
		head = e.Hash
	}
	return head, 0
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
	hash := func(name string) string {
		h := e.Detail[name]
		if len(h) != 64 || strings.Trim(h, "0123456789abcdef") != "" {
			return ""
		}
		return h
	}
	return Branch{Segment: e.Object, SHA256: hash("sha256"), First: n("branch_first"), Last: n("branch_last"), Head: hash("branch_head"),
		Common: n("common"), CommonHash: hash("common_hash"), LogLast: n("log_last"), LogHead: hash("log_head"), Why: e.Detail["why"]}, true
}

// String tells a branch to a person, with all that the entry about it proves.
func (b Branch) String() string {
	s := fmt.Sprintf("%s (SHA-256 %s)", b.Segment, b.SHA256)
	if b.First > 0 {
		head := b.Head
		if head == "" {
			head = "their chain does not hold"
		}
		s += fmt.Sprintf(" holds entries %d to %d (%s)", b.First, b.Last, head)
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

// Accepted returns the branches that entries of a segment accepted, if the archive has
// sealed it and nothing is wrong with it: of any other anybody could have made them.
func (c Check) Accepted(s Segment) []Branch {
	all := Branches(s.Content)
	if len(all) == 0 {
		return nil
	}
	chain := Chain{Check: c}
	found := chain.Add(s)
	sealed := slices.ContainsFunc(found, func(f preservation.Finding) bool { return f.Code == CodeSealed })
	if !sealed || failed(found) {
		return nil
	}
	return all
}
