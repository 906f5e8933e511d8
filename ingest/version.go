package ingest

import (
	"runtime/debug"

	"bestand/preservation"
)

// agent names this program in events.
var agent = preservation.Agent{Type: preservation.Software, Name: "bestand", Version: buildVersion()}

// Agent names this program.
func Agent() preservation.Agent { return agent }

// version is set by the build (-ldflags "-X bestand/ingest.version=…").
var version string

func buildVersion() string {
	if version != "" {
		return version
	}
	if i, ok := debug.ReadBuildInfo(); ok && i.Main.Version != "" {
		return i.Main.Version
	}
	return "devel"
}
