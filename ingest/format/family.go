package format

import (
	"strings"

	"bestand/preservation"
)

// Family groups the formats that one way of conversion handles.
type Family string

const (
	Office  Family = "office"  // text, tables, slides, drawings, RTF: what an office suite opens
	PDF     Family = "pdf"     //
	Image   Family = "image"   // raster: TIFF, JPEG, PNG, GIF, BMP, WebP
	HTML    Family = "html"    //
	Text    Family = "text"    // plain text, CSV
	Mail    Family = "mail"    // RFC 5322
	MSG     Family = "msg"     // Outlook message
	XML     Family = "xml"     //
	Archive Family = "archive" // ZIP and other containers of files
	Other   Family = "other"   // kept as it is
)

var familyByMIME = map[string]Family{
	"application/pdf":             PDF,
	"application/rtf":             Office,
	"text/rtf":                    Office,
	"application/msword":          Office,
	"application/vnd.visio":       Office,
	"image/tiff":                  Image,
	"image/jpeg":                  Image,
	"image/png":                   Image,
	"image/gif":                   Image,
	"image/bmp":                   Image,
	"image/x-bmp":                 Image,
	"image/webp":                  Image,
	"text/html":                   HTML,
	"application/xhtml+xml":       HTML,
	"text/plain":                  Text,
	"text/csv":                    Text,
	"text/tab-separated-values":   Text,
	"message/rfc822":              Mail,
	"application/vnd.ms-outlook":  MSG,
	"application/xml":             XML,
	"text/xml":                    XML,
	"application/zip":             Archive,
	"application/gzip":            Archive,
	"application/x-tar":           Archive,
	"application/x-7z-compressed": Archive,
	"application/vnd.rar":         Archive,
	"application/x-bzip2":         Archive,
}

var officePrefixes = []string{
	"application/vnd.openxmlformats-officedocument.",
	"application/vnd.oasis.opendocument.",
	"application/vnd.sun.xml.",
	"application/vnd.ms-word",
	"application/vnd.ms-excel",
	"application/vnd.ms-powerpoint",
	"application/vnd.ms-visio",
}

// Formats whose MIME type is missing from PRONOM or says something else.
var familyByPUID = map[string]Family{
	"fmt/583":   HTML,    // HTML with Vector Markup Language, as Word saves it
	"fmt/118":   Image,   // BMP variants without a MIME type
	"x-fmt/430": MSG,     //
	"fmt/494":   Office,  // OOXML encrypted in an OLE2 file
	"fmt/484":   Archive, // 7z
	"fmt/111":   Other,   // an OLE2 file of an unknown application
}

// FamilyOf returns the family of a format, Other when no conversion handles it.
func FamilyOf(f preservation.Format) Family {
	if fam, ok := familyByPUID[f.PUID]; ok {
		return fam
	}
	if fam, ok := familyByMIME[f.MIME]; ok {
		return fam
	}
	for _, p := range officePrefixes {
		if strings.HasPrefix(f.MIME, p) {
			return Office
		}
	}
	if strings.HasPrefix(f.MIME, "text/") {
		return Text
	}
	if strings.HasSuffix(f.MIME, "+xml") && f.MIME != "image/svg+xml" {
		return XML
	}
	return Other
}
