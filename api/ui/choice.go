package ui

import "bestand/api"

// choice is a question with a few answers, of which one is chosen, or none yet.
type choice struct {
	ID, Name, Value string
	Label, Hint     string   // keys of texts
	Kind            string   // area of the texts of the options
	Options         []string // codes
	Fault           *api.FieldError
}

// newChoice makes a choice from a form's values and faults.
func newChoice(values map[string]string, faults map[string]api.FieldError, name, label, hint, kind string, options ...string) choice {
	return choice{ID: "f-" + name, Name: name, Value: values[name], Label: label, Hint: hint, Kind: kind, Options: options, Fault: faultOf(faults, name)}
}
