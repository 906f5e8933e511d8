package search

import (
	"context"
	"math"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/blevesearch/bleve/v2/index/scorch"
	segment "github.com/blevesearch/scorch_segment_api/v2"
)

// How much more a word weighs in the title, or a reference as a whole.
const (
	boostTitle     = 3
	boostReference = 20
)

// scorer ranks hits by tf-idf: the root of a word's frequency in the record,
// against the length of the text, times the square of the word's rarity.
type scorer struct {
	terms    []weightedTerm
	frequent *frequentWords
}

type weightedTerm struct {
	field, term string
	weight      float32 // 0 when no record had it
}

// maxScored bounds the words that rank; all further ones only find. The weights
// travel in the cursor.
const maxScored = 64

func (r *scorer) weights() []float32 {
	w := make([]float32, len(r.terms))
	for i, t := range r.terms {
		w[i] = t.weight
	}
	return w
}

// setWeights takes the weights of an earlier page. It reports whether they fit.
func (r *scorer) setWeights(w []float32) bool {
	if len(w) != len(r.terms) {
		return false
	}
	for i := range w {
		r.terms[i].weight = w[i]
	}
	return true
}

// newScorer takes the words of all clauses that are asked for. Prefixes and
// spellings of fuzzy words find, but do not rank.
func newScorer(s *scorch.IndexSnapshot, l *language, frequent *frequentWords, groups [][]clause) (*scorer, error) {
	count, err := s.DocCount()
	if err != nil {
		return nil, err
	}
	r := &scorer{frequent: frequent}
	add := func(field, term string, boost float64) error {
		if len(r.terms) == maxScored {
			return nil
		}
		idf, err := rarity(s, field, term, count)
		r.terms = append(r.terms, weightedTerm{field, term, float32(boost * idf * idf)})
		return err
	}
	seen := map[string]bool{}
	m := matcher{language: l}
	for _, g := range groups {
		for _, c := range g {
			if c.not || c.form == formPrefix {
				continue
			}
			if key := referenceKey(c); key != "" && !seen[key] {
				seen[key] = true
				if err := add(fieldExact, key, boostReference); err != nil {
					return nil, err
				}
			}
			for _, w := range m.analyzer(c.field).words(c.text) {
				if w == "" || seen[c.field+" "+w] {
					continue
				}
				seen[c.field+" "+w] = true
				if err := add(c.field, w, 1); err != nil {
					return nil, err
				}
				if c.field == fieldText {
					if err := add(fieldTitle, w, boostTitle); err != nil {
						return nil, err
					}
				}
			}
		}
	}
	return r, nil
}

// rarity is the inverse document frequency of a term, 0 when nothing has it.
func rarity(s *scorch.IndexSnapshot, field, term string, docs uint64) (float64, error) {
	n := uint64(0)
	for _, seg := range s.Segments() {
		dict, err := seg.Segment().Dictionary(field)
		if err != nil {
			return 0, err
		}
		list, err := dict.PostingsList([]byte(term), seg.Deleted(), nil)
		if err != nil {
			return 0, err
		}
		n += list.Count()
	}
	if n == 0 {
		return 0, nil
	}
	return 1 + math.Log(float64(docs)/float64(n+1)), nil
}

// add adds to scores, by document number, what the documents of a segment have.
// Scores of other documents are of no meaning.
func (r *scorer) add(ctx context.Context, seg *scorch.SegmentSnapshot, docs *roaring.Bitmap, scores []float32) error {
	var p postings
	for _, t := range r.terms {
		if t.weight == 0 {
			continue
		}
		dict, err := seg.Segment().Dictionary(t.field)
		if err != nil {
			return err
		}
		all, err := p.of(dict, t.term, nil)
		if err != nil {
			return err
		}
		if all == nil {
			continue
		}
		if all.GetCardinality() >= r.frequent.frequent(seg) {
			word, err := r.frequent.find(ctx, seg, wordKey{seg.Id(), t.field, t.term, false}, few(docs, all))
			if err != nil {
				return err
			}
			if word != nil {
				t.addUnpacked(word.levels, all, docs, scores)
				continue
			}
		}
		err = eachPosting(ctx, p.list, all, docs, false, func(p segment.Posting) error {
			scores[p.Number()] += t.weight * presence(p).value()
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// addUnpacked is add for a word whose levels in all documents that have it are known.
func (t *weightedTerm) addUnpacked(levels []uint8, all, docs *roaring.Bitmap, scores []float32) {
	var values [256]float32
	for l := range values {
		values[l] = t.weight * level(l).value()
	}
	if docs.GetCardinality()*4 < all.GetCardinality() { // or it is quicker to go through all
		ranks := ranksIn(all)
		each(docs, func(docs []uint32) error {
			for _, d := range docs {
				if rank, ok := ranks.of(d); ok {
					scores[d] += values[levels[rank]]
				}
			}
			return nil
		})
		return
	}
	i := 0
	each(all, func(docs []uint32) error {
		here := levels[i : i+len(docs)]
		for n, d := range docs {
			scores[d] += values[here[n]]
		}
		i += len(docs)
		return nil
	})
}

// few tells when so few of the documents that have a word are asked for that the
// library is quicker than unpacking it for all.
func few(docs, all *roaring.Bitmap) bool { return docs.GetCardinality()*64 < all.GetCardinality() }

// level is how present a word is in a record, from 0 to 255: the root of its
// frequency against the length of the text, in steps of a thirty-second of an
// octave. Texts that differ by less are equally good.
type level uint8

const lowestLevel = 0x3F800000>>18 - 255 // 0x3F800000 are the bits of 1.0

func presence(p segment.Posting) level {
	bits := math.Float32bits(float32(math.Sqrt(float64(p.Frequency())) * p.Norm()))
	return level(max(0, min(255, int(bits>>18)-lowestLevel)))
}

func (l level) value() float32 { return math.Float32frombits((uint32(l) + lowestLevel) << 18) }
