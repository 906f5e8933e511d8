package evidence

import (
	"bytes"
	"crypto"
	"fmt"
	"slices"
	"time"

	"bestand/preservation"
	"bestand/preservation/timestamp"
)

// Object is one of the data that a record is to prove.
type Object struct {
	Name string
	// Digest reads the content and returns its digest. It may be called once
	// for each algorithm of the record.
	Digest func(h crypto.Hash) ([]byte, error)
}

// Check says what a record is held against.
type Check struct {
	// Trust holds the trust anchors of time-stamping authorities. Without any
	// their chains stay unjudged, which is a notice.
	Trust timestamp.Trust
	// At is the instant at which the last token must still prove something.
	At time.Time
	// Group demands that the objects are all that the record covers, and not
	// only some of it.
	Group bool
	// Suitable is how long algorithms prove anything; nil means the table that
	// is built in.
	Suitable *Suitability
}

// Verify checks a record against data (RFC 4998, 4.3 and 5.3) and returns a
// finding for every check, passed ones included: the proof stands when none is
// of Severity Failed. The Subject of a finding is the place in the record or
// the object's name. The record may be anybody's.
func (r *Record) Verify(objects []Object, c Check) []preservation.Finding {
	v := verification{record: r, objects: objects, Check: c, digests: map[crypto.Hash][][]byte{}}
	if v.Suitable == nil {
		v.Suitable = BuiltIn()
	}
	v.run()
	return v.found
}

type verification struct {
	Check
	record  *Record
	objects []Object
	digests map[crypto.Hash][][]byte // of the objects; nil where one could not be read
	found   []preservation.Finding
}

func (v *verification) add(sev preservation.Severity, code, subject, detail, clause string) {
	v.found = append(v.found, preservation.Finding{Code: code, Severity: sev, Subject: subject, Detail: detail, Clause: clause})
}

// stamp is an archive time-stamp with its token, which is nil when it cannot
// be read.
type stamp struct {
	*ArchiveTimeStamp
	chain, index int
	at           string // its place, for people
	token        *timestamp.Token
	hash         crypto.Hash // of its tree, 0 when not known
}

func (v *verification) run() {
	if len(v.objects) == 0 {
		v.add(preservation.Failed, "data-missing", "", "there is no data to check the record against", "RFC 4998, 4.3")
	}
	if v.record.CryptoInfos != nil || v.record.EncryptionInfo != nil {
		v.add(preservation.Notice, "fields-unjudged", "", "the record has cryptoInfos or encryptionInfo, which are not judged here", "RFC 4998, 3.1")
	}
	var all []stamp
	for i, c := range v.record.Chains {
		for j := range c {
			all = append(all, v.parse(i, j))
		}
	}
	for i, s := range all {
		if s.token == nil {
			continue
		}
		if s.hash == 0 {
			v.add(preservation.Failed, "digest-unsupported", s.at, "digest algorithm "+s.name()+": check it with another verifier", "RFC 4998, 3.1")
			continue
		}
		v.algorithms(s, all)
		imprint := v.tree(s, v.covered(s, all, i))
		until := v.At
		if i+1 < len(all) && all[i+1].token != nil {
			until = all[i+1].token.Time
		}
		v.found = append(v.found, s.token.Check(s.hash, imprint, v.Trust, s.at)...)
		if s.token.Time.After(v.At.Add(timestamp.Tolerance)) {
			v.add(preservation.Failed, "time-future", s.at, fmt.Sprintf("the token says %s, which is after %s, the time of this check",
				s.token.Time.UTC().Format(time.RFC3339), v.At.UTC().Format(time.RFC3339)), "RFC 3161, 2.4.2")
		}
		v.lasts(s, until, i+1 == len(all))
		if i > 0 && all[i-1].token != nil {
			v.order(all[i-1], s)
		}
	}
}

func (v *verification) parse(chain, index int) stamp {
	s := stamp{ArchiveTimeStamp: &v.record.Chains[chain][index], chain: chain, index: index, at: place(chain, index)}
	t, err := timestamp.Parse(s.Token)
	if err != nil {
		v.add(preservation.Failed, "timestamp-malformed", s.at, err.Error(), "RFC 3161, 2.4.2")
		return s
	}
	s.token, s.hash = t, t.Hash
	if s.Digest.OID != nil {
		s.hash = s.Digest.Hash
	}
	return s
}

func (s stamp) name() string {
	if s.Digest.OID != nil {
		return s.Digest.String()
	}
	return "of the token"
}

// algorithms checks that the digest algorithm is one, throughout.
func (v *verification) algorithms(s stamp, all []stamp) {
	if s.hash != s.token.Hash {
		v.add(preservation.Failed, "algorithm-mixed", s.at, fmt.Sprintf("the tree is made with %s, the token with %s", s.hash, s.token.Hash), "RFC 4998, 4.1")
	}
	if !slices.ContainsFunc(v.record.Digests, func(a Algorithm) bool { return a.Hash == s.hash }) {
		v.add(preservation.Failed, "algorithm-undeclared", s.at, s.hash.String()+" is not among the record's digestAlgorithms", "RFC 4998, 3.1")
	}
	for _, o := range all {
		if o.chain == s.chain && o.index == 0 && o.hash != s.hash {
			v.add(preservation.Failed, "algorithm-mixed", s.at, fmt.Sprintf("the chain begins with %s and goes on with %s", o.hash, s.hash), "RFC 4998, 5.3")
		}
	}
}

// covers is a digest that must stand in the first list of a tree.
type covers struct {
	digest []byte
	name   string // of the object, for people
}

// covered returns what an archive time-stamp must cover: the data, the data
// and all chains before, or the token before.
func (v *verification) covered(s stamp, all []stamp, i int) []covers {
	if s.index > 0 {
		return []covers{{TokenDigest(s.hash, all[i-1].Token), "the time-stamp before"}}
	}
	var list []covers
	var chains []byte
	if s.chain > 0 {
		chains = v.record.ChainsDigest(s.hash, s.chain)
	}
	for n, d := range v.data(s.hash) {
		if d == nil {
			continue
		}
		if chains != nil {
			d = Renewed(s.hash, d, chains)
		}
		list = append(list, covers{d, v.objects[n].Name})
	}
	return list
}

// data are the digests of the objects, read once for each algorithm.
func (v *verification) data(h crypto.Hash) [][]byte {
	if d, ok := v.digests[h]; ok {
		return d
	}
	var all [][]byte
	for _, o := range v.objects {
		d, err := o.Digest(h)
		if err != nil {
			v.add(preservation.Failed, "data-unreadable", o.Name, err.Error(), "")
		}
		all = append(all, d)
	}
	v.digests[h] = all
	return all
}

// tree checks that everything stands in the first list and returns where the
// tree leads, the digest that the token must cover.
func (v *verification) tree(s stamp, must []covers) []byte {
	clause := "RFC 4998, 4.3"
	if s.chain > 0 || s.index > 0 {
		clause = "RFC 4998, 5.3"
	}
	if len(s.Tree) == 0 {
		if len(must) != 1 {
			v.add(preservation.Failed, "data-uncovered", s.at, "without a reduced hash tree the token covers one object alone", clause)
			return s.token.Imprint
		}
		v.stands(s, clause, must, func(d []byte) bool { return bytes.Equal(d, s.token.Imprint) })
		return s.token.Imprint
	}
	for _, l := range s.Tree {
		for _, d := range l {
			if len(d) != s.hash.Size() {
				v.add(preservation.Failed, "tree-malformed", s.at, fmt.Sprintf("a digest of %d bytes in a tree of %s", len(d), s.hash), "RFC 4998, 4.1")
				return nil
			}
		}
	}
	first := sorted(s.Tree[0])
	v.stands(s, clause, must, func(d []byte) bool {
		_, ok := slices.BinarySearchFunc(first, d, bytes.Compare)
		return ok
	})
	if v.Group && s.index == 0 {
		v.complete(s, clause, must, first)
	}
	return root(s.hash, s.Tree)
}

// complete checks that the objects are all that the tree covers, each as often as
// it stands there: one that was replaced by a copy of another would not be missed.
func (v *verification) complete(s stamp, clause string, must []covers, first [][]byte) {
	given := make([][]byte, 0, len(must))
	for _, m := range must {
		given = append(given, m.digest)
	}
	if slices.EqualFunc(sorted(given), first, bytes.Equal) {
		v.add(preservation.Passed, "group-complete", s.at, fmt.Sprintf("the record covers these %d objects and no other", len(first)), clause)
	} else {
		v.add(preservation.Failed, "group-differs", s.at, fmt.Sprintf("the record covers %d objects, the %d that were given are others", len(first), len(v.objects)), clause)
	}
}

// named is how many objects are named one by one.
const named = 20

// stands says which objects are covered: each of a few, the number of many.
func (v *verification) stands(s stamp, clause string, must []covers, in func(digest []byte) bool) {
	passed, failed := 0, 0
	for _, m := range must {
		if in(m.digest) {
			if passed++; len(must) <= named {
				v.add(preservation.Passed, "covered", s.at, m.name+" is covered", clause)
			}
		} else if failed++; failed <= named {
			v.add(preservation.Failed, "not-covered", s.at, m.name+" is not what was stamped: it, or the record, was changed or is another", clause)
		}
	}
	if passed > 0 && len(must) > named {
		v.add(preservation.Passed, "covered", s.at, fmt.Sprintf("%d objects are covered", passed), clause)
	}
	if failed > named {
		v.add(preservation.Failed, "not-covered", s.at, fmt.Sprintf("%d objects in all are not what was stamped", failed), clause)
	}
}

// lasts checks that a token proved something until the next one took over.
func (v *verification) lasts(s stamp, until time.Time, last bool) {
	v.found = append(v.found, s.token.CheckUntil(until, v.Trust, s.at)...)
	when := "when the next time-stamp was made"
	if last {
		when = "at the time of this check"
	}
	for _, a := range s.token.Algorithms() {
		end, known := v.Suitable.Until(a)
		switch {
		case !known:
			v.add(preservation.Failed, "suitability-unknown", s.at, a.String()+" is not in the table of algorithms, so that nothing says that it proves anything", "RFC 5698")
		case !end.IsZero() && until.After(end):
			v.add(preservation.Failed, "algorithm-unsuitable", s.at, fmt.Sprintf("%s was suitable until %s, which was over %s", a, end.Format(time.DateOnly), when), "RFC 5698; RFC 4998, 5.2")
		default:
			v.add(preservation.Passed, "algorithm-suitable", s.at, a.String()+" was suitable "+when, "RFC 5698")
		}
	}
}

func (v *verification) order(before, s stamp) {
	if s.token.Time.After(before.token.Time) {
		v.add(preservation.Passed, "order", s.at, "made after the time-stamp before", "RFC 4998, 5.1")
	} else {
		v.add(preservation.Failed, "order-wrong", s.at, fmt.Sprintf("made on %s, which is not after the time-stamp before", s.token.Time.UTC().Format(time.RFC3339Nano)), "RFC 4998, 5.1")
	}
}
