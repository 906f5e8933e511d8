package evidence

import (
	"bytes"
	"crypto"
	"fmt"
	"slices"
)

// GroupDigest is the leaf of a data group: the digest over its members'
// digests in ascending order, or the one member itself (RFC 4998, 4.2, steps 2
// and 3). It does not change its argument.
func GroupDigest(h crypto.Hash, group [][]byte) []byte {
	if len(group) == 1 {
		return slices.Clone(group[0])
	}
	return sum(h, sorted(group)...)
}

func sorted(group [][]byte) [][]byte {
	all := slices.Clone(group)
	slices.SortFunc(all, bytes.Compare)
	return all
}

// Tree is a binary hash tree (RFC 4998, 4.2): an inner node is the digest of
// its two children, the smaller first; a node without a sibling moves up as it
// is. It holds two digests a leaf and may be read by several goroutines.
type Tree struct {
	size   int
	levels [][]byte // digests in a row, leaves first
}

// NewTree builds the tree over leaves, which are digests under h in a row and
// belong to the tree from then on.
func NewTree(h crypto.Hash, leaves []byte) (*Tree, error) {
	size := h.Size()
	if len(leaves) == 0 || len(leaves)%size != 0 {
		return nil, fmt.Errorf("hash tree: %d bytes of leaves are not digests of %d bytes", len(leaves), size)
	}
	t := &Tree{size: size, levels: [][]byte{leaves}}
	w := h.New()
	for level := leaves; len(level) > size; {
		n := len(level) / size
		above := make([]byte, 0, (n+1)/2*size)
		for ; len(level) >= 2*size; level = level[2*size:] {
			w.Reset()
			if bytes.Compare(level[:size], level[size:2*size]) <= 0 {
				w.Write(level[:2*size])
			} else {
				w.Write(level[size : 2*size])
				w.Write(level[:size])
			}
			above = w.Sum(above)
		}
		above = append(above, level...)
		t.levels = append(t.levels, above)
		level = above
	}
	return t, nil
}

// Root is what is stamped.
func (t *Tree) Root() []byte { return slices.Clone(t.levels[len(t.levels)-1]) }

// Len counts the leaves.
func (t *Tree) Len() int { return len(t.levels[0]) / t.size }

// Leaf is the i-th leaf. It is not to be changed.
func (t *Tree) Leaf(i int) []byte { return t.levels[0][i*t.size : (i+1)*t.size : (i+1)*t.size] }

// Nodes returns the digests of one level in a row, the leaves being level 0, or
// the root of a tree that is not so high. A node of level k is the root of a tree
// over the 2^k leaves below it, so a path can be put together from the two.
func (t *Tree) Nodes(level int) []byte { return slices.Clone(t.levels[min(level, len(t.levels)-1)]) }

// Path is the reduced hash tree of the i-th leaf above its group: one list of
// one sibling for each level that has one (RFC 4998, 4.2). What it returns
// is not to be changed.
func (t *Tree) Path(i int) []HashList {
	path := make([]HashList, 0, len(t.levels))
	for _, level := range t.levels[:len(t.levels)-1] {
		if at := (i ^ 1) * t.size; at < len(level) {
			path = append(path, HashList{level[at : at+t.size : at+t.size]})
		}
		i /= 2
	}
	return path
}

// Reduced is the reduced hash tree of the i-th leaf with its group: what an
// ArchiveTimeStamp holds. The group must be the one whose GroupDigest is the leaf.
func (t *Tree) Reduced(i int, group [][]byte) []HashList {
	return append([]HashList{sorted(group)}, t.Path(i)...)
}

// root computes where a reduced hash tree leads (RFC 4998, 4.3, steps 2 and
// 3). A first list of one digest is that digest itself.
func root(h crypto.Hash, tree []HashList) []byte {
	var at []byte
	for i, list := range tree {
		all := slices.Clone(list)
		if i > 0 {
			all = append(all, at)
		}
		at = GroupDigest(h, all)
	}
	return at
}
