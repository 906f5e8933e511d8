package ui

import (
	"strings"

	"bestand/ingest/convert"
	"bestand/ingest/sandbox"
	"bestand/preservation"
	"bestand/retention"
)

// troubles are what can be wrong when a job fails, by what its error says then. The first
// that fits is told: what names its cause stands before what only shows it.
var troubles = []struct {
	key  string
	says []string
}{
	{"full", []string{preservation.ErrFull.Error(), "no space left on device", "disk quota exceeded", "database or disk is full"}},
	{"program", []string{"panic:"}},
	{"missing", []string{sandbox.ErrMissing.Error(), convert.ErrMissing.Error(), "executable file not found"}},
	{"killed", []string{sandbox.ErrKilled.Error(), "cannot allocate memory"}},
	{"damage", []string{preservation.ErrCorrupt.Error(), preservation.ErrUnreadable.Error()}},
	{"clock", []string{preservation.ErrClock.Error()}},
	{"stopped", []string{(&retention.Stopped{}).Error()}},
	{"locked", []string{preservation.ErrLocked.Error()}},
	{"denied", []string{"permission denied", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "read-only file system"}},
	{"certificate", []string{"x509:", "tls:"}},
	{"database", []string{"SQLSTATE", "database is locked", "sqlite:"}},
	{"network", []string{"connection refused", "connection reset", "no such host", "no route to host", "network is unreachable", "i/o timeout"}},
	{"slow", []string{"deadline exceeded"}},
}

// trouble says of an error of a job what is wrong and what somebody can do about it; ""
// where that is not known.
func (l *language) trouble(text string) string {
	for _, p := range preservation.Parts() {
		if i := strings.Index(text, string(p)); i >= 0 && preservation.TellsOutage(text[i:]) {
			if _, why, _ := strings.Cut(text[i:], ": "); !strings.Contains(why, preservation.ErrFull.Error()) {
				return l.coded("trouble", p.Code())
			}
		}
	}
	for _, t := range troubles {
		for _, said := range t.says {
			if strings.Contains(text, said) {
				return l.coded("trouble", t.key)
			}
		}
	}
	return ""
}
