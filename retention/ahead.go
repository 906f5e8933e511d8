package retention

import (
	"fmt"

	"bestand/preservation"
)

// MaxAhead is how many years from today a day may lie that somebody names: the end of a
// contract, until when a record is kept, when a hold is reviewed. Hardly anything is
// agreed upon for longer than a heritable building right, which is granted for 99 years.
// What lies beyond is a slip that would lock a record for ever, such as 2999 for 1999.
const MaxAhead = 99

// tooFar finds a day that lies further ahead.
func tooFar(field string, d, today preservation.Date) []preservation.Finding {
	last := add(today, Duration{Years: MaxAhead})
	if !last.Before(d) {
		return nil
	}
	return []preservation.Finding{fault(field, "too-far", fmt.Sprintf("is %s, and a day may lie at most %d years ahead, until %s: check the year", d, MaxAhead, last))}
}

// believable finds a day on which an event cannot be. The end of a contract may be
// announced; nobody is born, dies, or opens a file in the future. However long ago it was
// is no fault.
func (g *Trigger) believable(today preservation.Date) []preservation.Finding {
	switch g.Type {
	case OnOpening, OnBirth, OnDeath:
		if today.AddDays(1).Before(g.Date) { // a day of grace, for clocks that are ahead
			return []preservation.Finding{fault("date", "future", fmt.Sprintf("is %s, which lies ahead: report it when it has happened", g.Date))}
		}
		return nil
	}
	return tooFar("date", g.Date, today)
}
