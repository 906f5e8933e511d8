package convert

import (
	"context"
	"errors"
	"os"
	"time"

	"bestand/ingest/sandbox"
)

// byteTime is what a file may take longer for each of its bytes.
const byteTime = 4 * time.Minute / (64 << 20)

// limitTime names the limit on the processor time of all tools together.
const limitTime = "time"

// inTime calls f with the processor time that the file has. Each run of a tool has
// its own limit, but a file goes through up to a dozen of them: one that keeps every
// tool busy for just less than its limit would hold up the files behind it for an
// hour. A file that takes more is refused; on a machine that is busy with other things
// it takes longer, and no more. Pictures have their own measure: the reading of text
// in them goes on page by page, and is slow on every page.
func (j *job) inTime(ctx context.Context, f func(context.Context) error) error {
	most := j.mayTake()
	if most == 0 {
		return f(ctx)
	}
	ctx, used := sandbox.Budgeted(ctx, most)
	err := f(ctx)
	var no *Refusal
	if errors.As(err, &no) && no.Code == codeLimit+sandbox.LimitCPU && used.Spent() {
		return &Refusal{codeLimit + limitTime, "The conversion was stopped: its programs took more than " + most.Round(time.Second).String() + " of processor time together."}
	}
	return err
}

// mayTake is zero where nothing is measured.
func (j *job) mayTake() time.Duration {
	r, ok := routeOf(j.src.Format)
	st, err := os.Stat(j.src.Path)
	if !ok || err != nil || r.formats == pictures {
		return 0
	}
	return j.cfg.Time + time.Duration(st.Size())*byteTime
}
