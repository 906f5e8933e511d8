package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// Receipts of records with very many files are large: a batch of them is full by
// the bytes that it holds, one of small receipts by its rows.
func TestBatchOfReceipts(t *testing.T) {
	for _, c := range []struct {
		name     string
		size     int64
		receipts int // in one batch
	}{
		{"usual", 4 << 10, batchRows / 4},
		{"fat", 256 << 10, batchRows/128 + 1},
		{"largest", 16 << 20, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx := t.Context()
			var sizes []int
			b := newBatch(weightOf, func(_ context.Context, pasts []past) error {
				sizes = append(sizes, len(pasts))
				return nil
			})
			for range 3*c.receipts + c.receipts/2 {
				p := past{all: []stored{{at: catalog.RecordObject{Size: c.size}}}}
				if err := b.add(ctx, p); err != nil {
					t.Fatal(err)
				}
			}
			if err := b.flush(ctx); err != nil {
				t.Fatal(err)
			}
			if len(sizes) < 3 || sizes[0] != c.receipts || sizes[1] != c.receipts || sizes[2] != c.receipts {
				t.Errorf("batches of %v, want %d in each", sizes, c.receipts)
			}
		})
	}
}

// What is as large as a batch is committed alone, before what is held.
func TestBatchOfOne(t *testing.T) {
	ctx := t.Context()
	var got []string
	b := newBatch(func(n int) int { return n }, func(_ context.Context, items []int) error {
		got = append(got, fmt.Sprint(items))
		return nil
	})
	for _, n := range []int{1, 2, batchRows, 3, 4 * batchRows, batchRows - 6, 5} {
		if err := b.add(ctx, n); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.flush(ctx); err != nil {
		t.Fatal(err)
	}
	if want := []string{"[5000]", "[20000]", "[1 2 3 4994]", "[5]"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// A catalog that does not get done with a batch in time gets less at once, down to
// one. Any other fault, and the end of the caller, ends it.
func TestBatchIsHalved(t *testing.T) {
	down := preservation.Down(preservation.PartCatalog, context.DeadlineExceeded)
	other := errors.New("other")
	for _, c := range []struct {
		name  string
		most  int // that the catalog gets done with at once
		err   error
		leave bool
		want  string // committed
		tries int
	}{
		{"fast", 8, down, false, "[1 2 3 4 5 6 7]", 1},
		{"slow", 3, down, false, "[1 2 3 4 5 6 7]", 5},
		{"one at a time", 1, down, false, "[1 2 3 4 5 6 7]", 13},
		{"down", 0, down, false, "[]", 3},
		{"other fault", 3, other, false, "[]", 1},
		{"caller left", 3, down, true, "[]", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			got, tries := []int{}, 0
			err := halved(ctx, []int{1, 2, 3, 4, 5, 6, 7}, func(_ context.Context, items []int) error {
				if tries++; len(items) <= c.most {
					got = append(got, items...)
					return nil
				}
				if c.leave {
					leave()
				}
				return c.err
			})
			if fmt.Sprint(got) != c.want || tries != c.tries || len(got) == 7 != (err == nil) || err != nil && !errors.Is(err, c.err) {
				t.Errorf("%v in %d tries, want %s in %d: %v", got, tries, c.want, c.tries, err)
			}
		})
	}
}
