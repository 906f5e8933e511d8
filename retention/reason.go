package retention

import (
	"fmt"
	"regexp"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// reasonAllowed is the key of what stands in the history where a run that stopped itself
// for the number of its records may go on.
const reasonAllowed = "allowed"

// reasons are what this package writes of a run and its records, above all why one is not
// disposed of, each with a key and German words for it.
var reasons = []struct {
	pattern *regexp.Regexp
	key     string
	german  string
}{
	{regexp.MustCompile(`^there is no such record(?: any more)?$`), "absent", "Die Akte gibt es nicht mehr."},
	{regexp.MustCompile(`^its destruction has begun$`), "begun", "Ihre Vernichtung hat schon begonnen."},
	{regexp.MustCompile(`^its retention ends on (\S+)$`), "retained", "Die Aufbewahrungsfrist läuft bis %s."},
	{regexp.MustCompile(`^it is held$`), "held", "Eine Sperre hält sie fest."}, // of former releases
	{regexp.MustCompile(`^it is held: (.+)$`), "held-by", "Eine Sperre hält sie fest: %s"},
	{regexp.MustCompile(`^it is unresolved$`), "unresolved", "Ihre Frist ist ungeklärt."},
	{regexp.MustCompile(`^it is conflict$`), "conflict", "Ihre Fristen widersprechen sich."},
	{regexp.MustCompile(`^it is permanent$`), "permanent", "Sie ist dauerhaft aufzubewahren."},
	{regexp.MustCompile(`^it is (?:active|closed)$`), "active", "Ihre Frist hat noch nicht begonnen."},
	{regexp.MustCompile(`^it is in the disposal run (\S+)$`), "other", "Sie ist schon im Aussonderungslauf %s."},
	{regexp.MustCompile(`^it is kept until (\S+) as decided in the disposal run (\S+)$`), "kept", "Sie bleibt bis %s, so entschieden im Aussonderungslauf %s."},
	{regexp.MustCompile(`^kept until (\S+): (.*)$`), "keep", "Sie bleibt bis %s: %s"},
	{regexp.MustCompile(`^its file is kept, or another part of it$`), "part", "Ihre Akte oder ein anderer Teil davon bleibt."},
	{regexp.MustCompile(`^a new version was added since it was listed$`), "version", "Seit der Aufnahme in den Lauf kam etwas dazu."},
	{regexp.MustCompile(`^it is in another class than when it was listed$`), "class", "Sie wurde seit der Aufnahme in den Lauf umsortiert."},
	{regexp.MustCompile(`^another rule or date applies than when it was listed$`), "rule", "Es gilt eine andere Regel oder Frist als bei der Aufnahme in den Lauf."},
	{regexp.MustCompile(`^the archive may answer until (\S+)$`), "asked", "Das Archiv darf noch bis %s antworten."},
	{regexp.MustCompile(`^the run was cancelled: (.*)$`), "cancelled", "Der Lauf wurde abgebrochen: %s"},
	{regexp.MustCompile(`^(\d+) records to be destroyed$`), "many", "Zu vernichtende Akten: %s."},
	{regexp.MustCompile(`^(\d+) of (\d+) records in one run are more than the configured share of (\S+)$`), "much", "%s von %s Akten in einem Lauf sind mehr als der eingestellte Anteil (%s)."},
	{regexp.MustCompile(`^(\d+) records in one run are more than (\S+) times as many as in the last (\d+) runs, of which the largest had (\d+)$`), "leap", "%s Akten in einem Lauf sind mehr als das %sfache der letzten %s Läufe, von denen der größte %s hatte."},
	{regexp.MustCompile(`^(\d+) records allowed although unusual$`), reasonAllowed, "Die ungewöhnliche Zahl von %s Akten wurde zugelassen."},
	{regexp.MustCompile(`^the list is not the one that was approved$`), "changed", "Die Liste ist nicht die, der zugestimmt wurde."},
	{regexp.MustCompile(`^the run was completed, and the record came back with a restore$`), "restored", "Der Lauf war abgeschlossen, und die Akte kam mit einer Wiederherstellung zurück."},
	{regexp.MustCompile(`^(.+), (.+), acknowledged on (\S+)$`), "acknowledged", "%s, %s, bestätigt am %s"},
	// Former releases wrote those of samples as notes, behind "sample: ".
	{regexp.MustCompile(`^(?:sample: )?one of (\d+)$`), "every", "Stichprobe: eine von %s"},
	{regexp.MustCompile(`^(?:sample: )?(\d+) of 1000$`), "share", "Stichprobe: %s von 1000"},
	{regexp.MustCompile(`^(?:sample: )?name with (\S+)$`), "letter", "Stichprobe: Name mit %s"},
	{regexp.MustCompile(`^(?:sample: )?born on a day (\d+)$`), "birthday", "Stichprobe: geboren an einem %s."},
	{regexp.MustCompile(`^` + byName + `$`), "names", "Stichprobe nach dem Namen"},
	{regexp.MustCompile(`^` + byBirthday + `$`), "birthdays", "Stichprobe nach dem Geburtstag"},
}

// ReasonKey returns the key of a reason that a record of a run has, and what it names:
// days, numbers, words of people. ok is false for words that are not known.
func ReasonKey(reason string) (key string, named []string, ok bool) {
	for _, r := range reasons {
		if m := r.pattern.FindStringSubmatch(reason); m != nil {
			return r.key, m[1:], true
		}
	}
	return "", nil, false
}

// GermanReason is a reason in German, or as it is where its words are not known.
func GermanReason(reason string) string {
	key, named, ok := ReasonKey(reason)
	if !ok {
		return reason
	}
	args := make([]any, len(named))
	for i, text := range named {
		args[i] = text
		if d, err := preservation.ParseDate(text); err == nil {
			args[i] = germanDate(d)
		}
	}
	for _, r := range reasons {
		if r.key == key {
			return fmt.Sprintf(r.german, args...)
		}
	}
	return reason
}

// openReasons are the codes of what an evaluation waits for, or warns of, in German.
var openReasons = map[string]string{
	UnknownClass:      "Die Aktenplaneinheit gibt es nicht",
	NoRule:            "Weder die Einheit noch eine darüber nennt eine Regel",
	NotInForce:        "Keine Fassung der Regel gilt heute",
	MissingTrigger:    "Das auslösende Ereignis wurde nicht gemeldet",
	ImplausibleDate:   "Das Datum des Ereignisses ist nicht plausibel",
	UnknownFile:       "Die Angaben der zugehörigen Akte fehlen",
	OutlivesFile:      "Die eigene Regel verlangt mehr als die der Akte",
	CeilingBelowFloor: "Die Höchstfrist liegt vor der Mindestfrist",
	CeilingUnknown:    "Das Ereignis für die Höchstfrist wurde nicht gemeldet",
	CeilingPassed:     "Die Höchstfrist ist überschritten",
	OfFile:            "Es gelten die Fristen der zugehörigen Akte",
	Sampled:           "Eine Stichprobe für das Archiv",
	OfSuccessor:       "Die Einheit gibt es nicht mehr; es gilt die Regel ihrer Nachfolgerin",
}

// GermanCode is the code of a Reason in German, or nothing for one that is not known.
func GermanCode(code string) string { return openReasons[code] }

// GermanState is the state of a record in a run in German.
func GermanState(state string) string {
	return map[string]string{catalog.ItemOpen: "offen", catalog.ItemDestroyed: "vernichtet", catalog.ItemTransferred: "übernommen", catalog.ItemLeft: "zurückgehalten", catalog.ItemRefused: "nicht aufgenommen"}[state]
}

// GermanAct is what somebody did to a run in German.
func GermanAct(act string) string {
	return map[string]string{actCreated: "Lauf begonnen", actDecided: "Akten bewertet", actOffered: "Dem Archiv angeboten", actAnswered: "Antwort des Archivs eingetragen", actApproved: "Zugestimmt",
		actWithdrawn: "Zustimmung zurückgenommen", actStarted: "Ausführung angeordnet", actBegun: "Ausführung begonnen", actStopped: "Angehalten", actHandedOver: "Übernahme durch das Archiv eingetragen",
		actCompleted: "Abgeschlossen", actCancelled: "Abgebrochen", actCertificate: "Nachweis archiviert"}[act]
}
