package hostile

import (
	"fmt"
	"strings"
)

// nested are files whose parts are within one another.
func nested() []File {
	deep := func(open, middle, end string, n int) func() []byte {
		return func() []byte { return []byte(strings.Repeat(open, n) + middle + strings.Repeat(end, n)) }
	}
	return []File{
		{Name: "elements-1m.xml", Content: deep("<a>", Marker, "</a>", 1_000_000)},
		{Name: "elements-1m.html", Content: deep("<div>", Marker, "</div>", 1_000_000)},
		{Name: "tables-10000.html", Content: deep("<table><tr><td>", Marker, "</td></tr></table>", 10_000)},
		{Name: "spans-50000.html", Content: deep("<b><i>", Marker, "", 50_000)},
		{Name: "groups-1m.rtf", Content: func() []byte {
			return []byte(`{\rtf1\ansi ` + strings.Repeat("{", 1_000_000) + Marker + strings.Repeat("}", 1_000_000) + "}")
		}},
		{Name: "arrays-1m.json", Content: deep("[", "", "]", 1_000_000)},
		{Name: "groups-1m.svg", Content: deep("<g>", "", "</g>", 1_000_000)},
		{Name: "one-line-20mib.txt", Heavy: true, Content: func() []byte { return []byte(strings.Repeat("Lindenstrasse", 20<<20/13)) }},
		{Name: "lines-10m.txt", Heavy: true, Content: func() []byte { return []byte(strings.Repeat("a\n", 10_000_000)) }},
		{Name: "elements-400000.xml", Content: func() []byte { return []byte("<r>" + strings.Repeat("<a/>", 400_000) + "</r>") }},
		{Name: "attributes-500000.xml", Content: func() []byte {
			return []byte("<r " + lines(500_000, func(i int) string { return fmt.Sprintf(`a%d="" `, i) }) + ">" + Marker + "</r>")
		}},
		{Name: "one-text-120mib.xml", Heavy: true, Content: func() []byte { return []byte("<r>" + strings.Repeat("Lindenstrasse ", 120<<20/14) + "</r>") }},
		{Name: "one-comment-120mib.xml", Heavy: true, Content: func() []byte { return []byte("<!--" + strings.Repeat("Lindenstrasse ", 120<<20/14) + "--><r/>") }},
		{Name: "huge-table.html", Heavy: true, Content: func() []byte {
			return []byte("<table>" + strings.Repeat("<tr>"+strings.Repeat("<td>x", 20), 50_000))
		}},
		{Name: "colspan.html", Content: func() []byte {
			return []byte("<p>" + Marker + "<table>" + strings.Repeat(`<tr><td colspan=1000 rowspan=65534>x`, 500) + "</table>")
		}},
		{Name: "tall.html", Content: text("<p>" + Marker + "<div style='height:100000000px'>x</div>")},
	}
}
