package pades

import (
	"io"
	"strings"

	"bestand/preservation"
	"bestand/preservation/revocation"
)

// Level is a baseline level of EN 319 142-1, 6.
type Level string

const (
	LevelB   Level = "B-B"   // signed
	LevelT   Level = "B-T"   // and time-stamped
	LevelLT  Level = "B-LT"  // and with the data to validate both
	LevelLTA Level = "B-LTA" // and these time-stamped
)

// takeStore adds what the security store of a document holds to the material, and
// says whether there is one that can be read.
func takeStore(r io.ReaderAt, size int64, m revocation.Material) (revocation.Material, bool) {
	f, err := readFile(r, size)
	if err != nil {
		return m, false
	}
	stored, there, err := f.material()
	if err != nil || !there {
		return m, false
	}
	stored.Add(m)
	return stored, true
}

// level is the level of a signature by what its checks found, empty when it has none.
func (s *signature) level(checks []preservation.Finding, store bool) Level {
	if s.dict["SubFilter"] != "ETSI.CAdES.detached" {
		return ""
	}
	named, stamps, known := false, 0, 0
	for _, f := range checks {
		stamp := strings.HasSuffix(f.Subject, "time-stamp")
		switch {
		case f.Severity == preservation.Failed:
			return ""
		case f.Code == "signing-certificate-match":
			named = named || !stamp
		case f.Code == "signing-time-claimed" && f.Clause == "RFC 5652, 11.3": // M says it: 6.3
			return ""
		case f.Code == "stamped":
			stamps++
		case f.Code == "revocation-checked":
			known++
		}
	}
	switch {
	case !named:
		return ""
	case stamps == 0:
		return LevelB
	case store && known == stamps+1:
		return LevelLT
	}
	return LevelT
}

// archives says whether s is a document time-stamp over everything before it.
func (s *signature) archives(checks []preservation.Finding) bool {
	whole := false
	for _, f := range checks {
		if f.Severity == preservation.Failed {
			return false
		}
		whole = whole || f.Code == "coverage-whole"
	}
	return whole && s.dict["SubFilter"] == "ETSI.RFC3161"
}
