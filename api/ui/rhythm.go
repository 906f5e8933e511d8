package ui

import (
	"fmt"
	"strconv"
	"strings"
)

// rhythm says in words when a task comes round, from its five fields of cron; as the
// fields have it where they are of none of the usual forms.
func (l *language) rhythm(spec string) string {
	f := strings.Fields(spec)
	if len(f) != 5 {
		return spec
	}
	if spec == "* * * * *" {
		return l.t("rhythm.minute")
	}
	days := strings.Join(f[2:], " ")
	if every, steps := strings.CutPrefix(f[0], "*/"); steps && f[1] == "*" && days == "* * *" {
		if n, err := strconv.Atoi(every); err == nil && n > 1 {
			return l.t("rhythm.minutes", n)
		}
	}
	minute, err := strconv.Atoi(f[0])
	if err != nil {
		return spec
	}
	if f[1] == "*" && days == "* * *" {
		return l.t("rhythm.hour", minute)
	}
	hour, err := strconv.Atoi(f[1])
	if err != nil {
		return spec
	}
	at := fmt.Sprintf("%02d:%02d", hour, minute)
	switch weekday, day := f[4], f[2]; {
	case days == "* * *":
		return l.t("rhythm.day", at)
	case day == "*" && f[3] == "*" && len(weekday) == 1 && weekday >= "0" && weekday <= "7":
		return l.t("rhythm.week", l.coded("weekday", int(weekday[0]-'0')%7), at)
	case f[3] == "*" && weekday == "*":
		if n, err := strconv.Atoi(day); err == nil {
			return l.t("rhythm.month", n, at)
		}
	}
	return spec
}
