package evidence

import (
	"bytes"
	"crypto"
	"fmt"
	"testing"
)

// TestTree leads from every leaf to the root, in trees of every shape.
func TestTree(t *testing.T) {
	h := crypto.SHA256
	for n := 1; n <= 70; n++ {
		var leaves []byte
		for i := range n {
			leaves = append(leaves, sum(h, fmt.Appendf(nil, "leaf %d", i))...)
		}
		tree, err := NewTree(h, bytes.Clone(leaves))
		if err != nil {
			t.Fatal(err)
		}
		if tree.Len() != n {
			t.Errorf("%d leaves of %d", tree.Len(), n)
		}
		for i := range n {
			leaf := leaves[i*h.Size() : (i+1)*h.Size()]
			if !bytes.Equal(tree.Leaf(i), leaf) {
				t.Fatalf("leaf %d of %d", i, n)
			}
			if got := root(h, append([]HashList{{leaf}}, tree.Path(i)...)); !bytes.Equal(got, tree.Root()) {
				t.Fatalf("leaf %d of %d leads elsewhere", i, n)
			}
		}
	}
}

// TestTreeByHand is the tree of RFC 4998, 4.2, with a group and an odd leaf.
func TestTreeByHand(t *testing.T) {
	h := crypto.SHA256
	d := func(s string) []byte { return sum(h, []byte(s)) }
	join := func(a, b []byte) []byte {
		if bytes.Compare(a, b) > 0 {
			a, b = b, a
		}
		return sum(h, a, b)
	}
	one, two, three := d("1"), d("2a"), d("2b")
	group := join(two, three)
	tree, err := NewTree(h, bytes.Join([][]byte{one, GroupDigest(h, [][]byte{three, two}), d("3")}, nil))
	if err != nil {
		t.Fatal(err)
	}
	if want := join(join(one, group), d("3")); !bytes.Equal(tree.Root(), want) {
		t.Errorf("root %x, want %x", tree.Root(), want)
	}
	if p := tree.Path(2); len(p) != 1 || !bytes.Equal(p[0][0], join(one, group)) {
		t.Errorf("the odd leaf goes up by %x", p)
	}
}

func TestNewTreeRefuses(t *testing.T) {
	for _, n := range []int{0, 1, 31, 33} {
		if _, err := NewTree(crypto.SHA256, make([]byte, n)); err == nil {
			t.Errorf("%d bytes are a tree", n)
		}
	}
}
