package sandbox

import "io"

// cut passes the first bytes on and swallows the rest, so that the writer
// never blocks. It has one writer at a time.
type cut struct {
	w    io.Writer // nil to swallow everything
	left int64     // negative: no limit
	full func()    // called when the limit is passed; may be nil
	err  error
}

func (c *cut) Write(p []byte) (int, error) {
	n := len(p)
	if c.left >= 0 && int64(n) > c.left {
		p = p[:c.left]
		if c.full != nil {
			c.full()
		}
	}
	if c.left > 0 {
		c.left -= int64(len(p))
	}
	if c.w != nil && c.err == nil && len(p) > 0 {
		if _, c.err = c.w.Write(p); c.err != nil {
			return 0, c.err
		}
	}
	return n, nil
}

const tailSize = 4 << 10

// tail keeps the last bytes written.
type tail struct{ b []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.b = append(t.b, p...)
	if len(t.b) > 2*tailSize {
		t.b = append(t.b[:0], t.b[len(t.b)-tailSize:]...)
	}
	return len(p), nil
}

func (t *tail) String() string { return string(t.b[max(0, len(t.b)-tailSize):]) }
