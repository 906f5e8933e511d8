package convert

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"bestand/ingest/sandbox"
	"bestand/ingest/verapdf"
	"bestand/preservation"
)

// ErrMissing says that a tool which the format needs is not installed, or out of
// order: it fails on every file. The file is pending: render it again once the
// tool is there.
var ErrMissing = errors.New("conversion tool not there")

// Codes of findings in events.
const (
	CodeEmpty         = "empty"             // no bytes
	CodeEncrypted     = "encrypted"         // needs a password
	CodeTruncated     = "truncated"         // its end is missing
	CodeTooLarge      = "too-large"         // more of something than a reader takes: perhaps a bomb
	CodeDamaged       = "damaged"           // cannot be read as what it claims to be
	CodeUnconvertible = "unconvertible"     // the tool gave nothing
	CodeImplausible   = "implausible"       // valid PDF/A that does not show what the source holds
	CodeInvalid       = "invalid-pdfa"      // veraPDF found rules broken
	CodeFalseClaim    = "false-pdfa-claim"  // the source claims PDF/A and is not
	CodeNotValidated  = "not-validated"     // veraPDF is not installed
	CodeSigned        = "signed"            // left as it is, because conversion would break its signatures
	CodeRestricted    = "restricted"        // encrypted with an empty password: restrictions were not carried over
	CodeLossy         = "structure-dropped" // tags, forms or links of the source are not in the rendition
	CodeRepaired      = "repaired"          // the tool reported defects of the source
	CodeCharset       = "charset-guessed"   // nothing in the file proves its character set
	CodePageCount     = "page-count"        // differs from what the source says of itself
	CodeText          = "text-differs"      // less of the text can be read out than of the source: cut cells, fonts without a code
	CodeAttachment    = "attachment-lost"   // an embedded file could not be taken out
	CodeCrash         = "browser-crashed"   // the browser falls each time that it shows the page
	CodeDynamicForm   = "dynamic-form"      // a PDF whose pages do not hold its content
	CodeRemote        = "remote-content"    // what the page would show of other files is missing
	CodeNoRoute       = "no-route"          // no conversion for this format
	CodeLong          = "too-long"          // more text than is put on pages
	CodeUnchecked     = "limit-validation"  // there is a rendition, and veraPDF came to no end with it
	codeLimit         = "limit-"            // + the name of the limit of the sandbox
)

// Source is the file to render.
type Source struct {
	Path      string // absolute, in a folder that the validator may read, under a neutral name
	Name      string // the sender's, for display names only
	Title     string // for metadata of the rendition where the source has none
	Format    preservation.Format
	Encrypted bool   // identification found that it needs a password
	Charset   string // IANA name that identification or a header gives; empty: find out
}

// Kind says what an Output is.
type Kind string

const (
	Rendition Kind = "rendition" // PDF/A that stands for the whole source
	Extracted Kind = "extracted" // a file that was inside of the source, a source of its own from now on
)

// Output is a file that was made from the source. It lies in the folder given to Render.
type Output struct {
	Path    string
	Name    string // suggested display name: sender's words, never to be used as a path
	Kind    Kind
	MIME    string               // of a rendition; empty for an extracted file, which wants identification
	Verdict string               // preservation.Verdict…, for a rendition
	Flavour string               // PDF/A flavour, such as "2b"
	Events  []preservation.Event // about this file and the source; the caller sets ID, At and Files
}

// Result is what became of one source.
type Result struct {
	Outputs []Output
	// Own: the source is its own rendition and stays as it is.
	Own bool
	// Verdict is the one on the rendition, or on the source when it is its own;
	// VerdictNoRendition with the reason in Events when there is none.
	Verdict string
	Flavour string
	Events  []preservation.Event // about the source alone; the caller sets ID, At and Files
	Text    string               // for search, at most Config.TextLimit bytes
	Pages   int                  // of the rendition; 0 when there is none
}

// Rendering is what a Renderer gives: a PDF that convert then validates.
type Rendering struct {
	PDF     string // absolute path in the folder that the Renderer was given; empty: the format needs no rendition
	Flavour string // PDF/A flavour that it was written for; "2b" when empty
	Text    string // for search, when it says more than the PDF does
	Letters int    // that the PDF must show at least; 0 when not known
	Pages   int    // that the PDF must have; 0 when not known
	Outputs []Output
	Events  []preservation.Event // about the source and the rendering, such as the tool used
}

// Renderer renders formats that another package knows about. It returns a
// Refusal for a file that cannot be rendered, sandbox.ErrMissing for a missing
// tool, and any other error for a fault that is worth another try.
type Renderer func(ctx context.Context, src Source, dir string) (Rendering, error)

// Refusal says that a file cannot be converted, and that trying again will not help.
type Refusal struct {
	Code   string // one of the codes of this package, or another in kebab case
	Detail string // for people; free of content
}

func (r *Refusal) Error() string { return r.Code + ": " + r.Detail }

// Config says what to convert with. Only Sandbox is required.
type Config struct {
	Sandbox   *sandbox.Sandbox
	Validator *verapdf.Validator // nil: nothing is validated
	// Signed reports whether a PDF carries a signature. Nil: whether it has a
	// ByteRange, which every signature has.
	Signed func(path string) (bool, error)
	// Renderers of other packages. Nil: such files get no rendition.
	Image, Mail, MSG, XML Renderer
	// Working bounds, with what else takes turns by it, how many conversions keep a
	// processor busy. One gives its turn to the next while its result is validated
	// and compared, of which there may be one more at a time: a validator that works on
	// one file should find the next waiting. Nil: no bound.
	Working   *semaphore.Weighted
	Workers   int64              // the weight of Working
	TextLimit int64              // bytes of Result.Text; 2 MiB when 0
	Time      time.Duration      // of a processor, for all programs on one file of few bytes; 4 minutes when 0
	Agent     preservation.Agent // this program, for the events of its own checks
}

// Converter renders files. Render may be called concurrently; how many at a time is up to the caller.
type Converter struct {
	cfg Config

	mu         sync.Mutex
	versions   map[string]string // by program
	trials     map[string]trial  // the last of each program
	extensions []byte            // what extended returns; nil: not known yet

	spares   spares
	noWorker atomic.Int64   // when one did not start, in seconds
	running  sync.WaitGroup // everything of workers
	ending   chan struct{}  // closed by Close
	checking *semaphore.Weighted
}

// New returns a Converter. It runs no tool and needs none to be installed. One that
// has rendered is to be closed.
func New(cfg Config) *Converter {
	if cfg.TextLimit == 0 {
		cfg.TextLimit = 2 << 20
	}
	if cfg.Time == 0 {
		cfg.Time = 4 * time.Minute
	}
	if cfg.Signed == nil {
		cfg.Signed = hasByteRange
	}
	if cfg.Agent.Name == "" {
		cfg.Agent = preservation.Agent{Type: preservation.Software, Name: "bestand"}
	}
	return &Converter{cfg: cfg, versions: map[string]string{}, trials: map[string]trial{}, ending: make(chan struct{}),
		checking: semaphore.NewWeighted(cfg.Workers + 1)}
}

// Render makes the rendition of one file, in a session of its own.
func (c *Converter) Render(ctx context.Context, src Source, dir string) (Result, error) {
	s := c.Begin()
	defer s.Close()
	return s.Render(ctx, src, dir)
}

// Render makes the rendition of one file. It may be called concurrently: one file
// is converted while another one is checked. dir is an empty folder for this call
// alone, which the validator may read; the outputs stay in it.
//
// An error is ErrMissing or a fault worth another try. A file that has no
// rendition is a Result. When somebody kills a tool the file is rendered anew, and
// the error wraps sandbox.ErrKilled when that did not help. A file that makes a
// program fall each time has no rendition.
func (s *Session) Render(ctx context.Context, src Source, dir string) (Result, error) {
	for try := 1; ; try++ {
		r, err := s.tryRender(ctx, src, dir)
		if !errors.Is(err, sandbox.ErrKilled) || ctx.Err() != nil {
			return r, err
		}
		if try == tries {
			return s.fallen(ctx, src, dir, err)
		}
		// What the killed one left behind is not looked at.
		dir = filepath.Join(dir, "again")
		if err := os.Mkdir(dir, 0o700); err != nil {
			return r, err
		}
	}
}

// tries is how often a file is rendered whose tool somebody kills.
const tries = 3

// fallen tells a file that makes a program fall from a program that somebody
// kills: that one falls on our file, too.
func (s *Session) fallen(ctx context.Context, src Source, dir string, err error) (Result, error) {
	j := &job{Converter: s.c, session: s, src: src, dir: dir}
	var l *lost
	if !errors.As(err, &l) || j.works(ctx, l.program, 0) != nil {
		return Result{}, err
	}
	code := CodeUnconvertible
	if l.program == "chromium-headless-shell" {
		code = CodeCrash
	}
	j.refuse(&Refusal{code, fmt.Sprintf("%s on the file %d times out of %d, and not on another one.", l, tries, tries)})
	return j.result(), nil
}

func (s *Session) tryRender(ctx context.Context, src Source, dir string) (Result, error) {
	j := &job{Converter: s.c, session: s, src: src, dir: dir}
	if err := j.enter(ctx); err != nil {
		return Result{}, err
	}
	defer j.leave()
	err := j.tried(ctx, j.inTime(ctx, j.render))
	var no *Refusal
	switch {
	case err == nil:
		return j.result(), nil
	case errors.As(err, &no):
		j.refuse(no)
		return j.result(), nil
	case errors.Is(err, sandbox.ErrMissing), errors.Is(err, ErrMissing):
		return Result{}, fmt.Errorf("convert: %w: %w", ErrMissing, err)
	}
	return Result{}, fmt.Errorf("convert: %w", err)
}

func (j *job) render(ctx context.Context) error {
	st, err := os.Stat(j.src.Path)
	switch {
	case err != nil:
		return err
	case !filepath.IsAbs(j.src.Path) || !filepath.IsAbs(j.dir):
		return errors.New("paths must be absolute")
	case st.Size() == 0:
		return &Refusal{CodeEmpty, "The file has no bytes."}
	case j.src.Encrypted:
		return &Refusal{CodeEncrypted, "The file needs a password to be read."}
	}
	r, ok := routeOf(j.src.Format)
	if !ok {
		return &Refusal{CodeNoRoute, "There is no conversion for this format. The original is kept as it is."}
	}
	return r.run(ctx, j)
}

// displayName gives a rendition the sender's name with another extension.
func displayName(name, ext string) string {
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	if e := filepath.Ext(name); e != "" && e != name {
		name = strings.TrimSuffix(name, e)
	}
	if name == "" {
		name = "rendition"
	}
	return name + ext
}
