package ledger

import (
	"context"
	"testing"

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
