package ui

import (
	"strings"
	"testing"
)

func TestCut(t *testing.T) {
	for _, n := range []int{titleMost, titleMost + 1, 20_000} {
		if got := []rune(cut(strings.Repeat("ä", n), titleMost)); len(got) != titleMost || (got[titleMost-1] == '…') != (n > titleMost) {
			t.Errorf("of %d characters: %q", n, string(got))
		}
	}
}

func TestCells(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "Bauantrag": "Bauantrag", "63.10-2014/0815": "63.10-2014/0815", "'s": "'s",
		"=1+1": "'=1+1", "+49 341": "'+49 341", "-2+3": "'-2+3", "@SUM(A1)": "'@SUM(A1)",
		"\t=1": "'\t=1", "\r=1": "'\r=1", "\n=1": "'\n=1", " =1": "' =1", "\u00a0=1": "'\u00a0=1", "\ufeff=1": "'\ufeff=1", "\x00=1": "'\x00=1",
		"11.10": "'11.10", "10.10.2014": "'10.10.2014", "3/14": "'3/14", "1-2": "'1-2", "11:10": "'11:10", "02": "'02", "1E5": "'1E5", "4006381333931000": "'4006381333931000", "1,50": "'1,50",
		"11.10.20.5": "11.10.20.5", "2014": "2014", "11.10 a": "11.10 a", "AZ 3/14": "AZ 3/14",
		"＝1": "'＝1", "＠x": "'＠x",
	} {
		if got := cell(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
