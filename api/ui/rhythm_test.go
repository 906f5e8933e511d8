package ui

import "testing"

// TestRhythm: people who know no cron read when a task comes round.
func TestRhythm(t *testing.T) {
	if err := loadTexts(); err != nil {
		t.Fatal(err)
	}
	for spec, want := range map[string][2]string{
		"5 0 * * *":    {"täglich um 00:05 Uhr", "every day at 00:05"},
		"35 * * * *":   {"jede Stunde zur Minute 35", "every hour at minute 35"},
		"*/10 * * * *": {"alle 10 Minuten", "every 10 minutes"},
		"* * * * *":    {"jede Minute", "every minute"},
		"0 22 * * 0":   {"jeden Sonntag um 22:00 Uhr", "every Sunday at 22:00"},
		"0 22 * * 7":   {"jeden Sonntag um 22:00 Uhr", "every Sunday at 22:00"},
		"30 6 1 * *":   {"am 1. jedes Monats um 06:30 Uhr", "on day 1 of every month at 06:30"},
		"0 6 1 1 *":    {"0 6 1 1 *", "0 6 1 1 *"},
		"0 6-8 * * *":  {"0 6-8 * * *", "0 6-8 * * *"},
		"*/0 * * * *":  {"*/0 * * * *", "*/0 * * * *"},
		"@daily":       {"@daily", "@daily"},
		"0 6 * * 1-5":  {"0 6 * * 1-5", "0 6 * * 1-5"},
		"":             {"", ""},
	} {
		if de, en := languages[0].rhythm(spec), languages[1].rhythm(spec); de != want[0] || en != want[1] {
			t.Errorf("%s: %q, %q", spec, de, en)
		}
	}
}
