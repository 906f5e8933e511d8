package xmltree_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"bestand/ingest/xmltree"
)

func TestParse(t *testing.T) {
	const doc = "\ufeff<?xml version=\"1.0\"?><!-- c --><p:a xmlns:p=\"urn:x\" k=\"v\"><b> 1 </b><skip><b>2</b></skip><p:c><b>3</b></p:c></p:a>\n"
	root, err := xmltree.Parse(t.Context(), strings.NewReader(doc), xmltree.Limits{}, func(local string) bool { return local == "skip" })
	if err != nil {
		t.Fatal(err)
	}
	if root.Name.Space != "urn:x" || root.Name.Local != "a" || root.Attribute("", "k") != "v" || len(root.Children) != 2 || root.Str("b") != "1" || root.Str("c/b") != "3" || root.Str("c/x") != "" {
		t.Errorf("%+v", root)
	}
	if c := root.One("c"); doc[c.Start:c.End] != "<p:c><b>3</b></p:c>" {
		t.Errorf("place: %q", doc[c.Start:c.End])
	}
	if start, ok := xmltree.Peek(strings.NewReader(doc)); !ok || start.Prefix != "p" || start.Name.Space != "urn:x" || start.Name.Local != "a" {
		t.Errorf("%+v", start)
	}
}

func TestFaults(t *testing.T) {
	for name, c := range map[string]struct {
		doc, want string
	}{
		"empty":          {"", xmltree.Malformed},
		"unclosed":       {"<a>", xmltree.Malformed},
		"unclosed below": {"<a><skip>", xmltree.Malformed},
		"two roots":      {"<a/><b/>", xmltree.Malformed},
		"text outside":   {"<a/>x", xmltree.Malformed},
		"entity":         {"<a>&x;</a>", xmltree.Malformed},
		"not UTF-8":      {"<a>\xfc</a>", xmltree.Malformed},
		"ISO-8859-1":     {`<?xml version="1.0" encoding="ISO-8859-1"?><a/>`, xmltree.Malformed},
		"DTD":            {`<!DOCTYPE a [<!ENTITY x "y">]><a/>`, xmltree.HasDTD},
		"deep":           {strings.Repeat("<a>", 200), xmltree.TooLarge},
		"deep in skip":   {"<a>" + strings.Repeat("<skip>", 200), xmltree.TooLarge},
		"wide":           {"<a>" + strings.Repeat("<b/>", 60), xmltree.TooLarge},
		"wide in skip":   {"<a><skip>" + strings.Repeat("<b/>", 600), xmltree.TooLarge},
		"long name":      {"<a><" + strings.Repeat("b", 257) + "/></a>", xmltree.TooLarge},
		"long in skip":   {"<a><skip><" + strings.Repeat("b", 257) + "/></skip></a>", xmltree.TooLarge},
		"long attribute": {"<a " + strings.Repeat("b", 257) + "=''/>", xmltree.TooLarge},
		"long":           {"<a>" + strings.Repeat("x", 5000) + "</a>", xmltree.TooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := xmltree.Parse(t.Context(), strings.NewReader(c.doc), xmltree.Limits{Bytes: 4000, Elements: 50}, func(local string) bool { return local == "skip" })
			var fault *xmltree.Fault
			if !errors.As(err, &fault) || fault.Code != c.want {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := xmltree.Parse(ended, strings.NewReader("<a/>"), xmltree.Limits{}, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("<a k='v'><b>1</b><skip/></a>")
	f.Fuzz(func(t *testing.T, doc string) {
		xmltree.Peek(strings.NewReader(doc))
		root, err := xmltree.Parse(t.Context(), strings.NewReader(doc), xmltree.Limits{}, func(local string) bool { return local == "skip" })
		var fault *xmltree.Fault
		if (root == nil) == (err == nil) || err != nil && !errors.As(err, &fault) {
			t.Errorf("%v, %v", root, err)
		}
		if root != nil && (!strings.HasPrefix(doc[root.Start:], "<") || !strings.HasSuffix(doc[:root.End], ">")) {
			t.Errorf("place %d to %d", root.Start, root.End)
		}
	})
}
