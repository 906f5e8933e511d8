package ui

import "testing"

func TestCells(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "Bauantrag": "Bauantrag", "63.10-2014/0815": "63.10-2014/0815", "'s": "'s",
		"=1+1": "'=1+1", "+49 341": "'+49 341", "-2+3": "'-2+3", "@SUM(A1)": "'@SUM(A1)",
		"\t=1": "'\t=1", "\r=1": "'\r=1", "\n=1": "'\n=1", " =1": "' =1", "\u00a0=1": "'\u00a0=1", "\ufeff=1": "'\ufeff=1", "\x00=1": "'\x00=1",
		"＝1": "'＝1", "＠x": "'＠x",
	} {
		if got := cell(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
