package ingest

import (
	"runtime/debug"

	"bestand/preservation"
)

// agent names this program in events.
var agent = preservation.Agent{Type: preservation.Software, Name: "bestand", Version: buildVersion()}

func buildVersion() string {
	if i, ok := debug.ReadBuildInfo(); ok && i.Main.Version != "" {
		return i.Main.Version
	}
	return "devel"
}
