package dip

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"

	"bestand/preservation"
	"bestand/preservation/aip"
)

// XAIPType is the media type of an XAIP.
const XAIPType = "application/xml"

// XAIP writes the package as XAIP 1.3 (BSI TR-03125-F) with its evidence record as
// a credential. The files of the record are its data objects, METS, PREMIS and the
// other own files of the package its metadata, the seal is a credential. All of these
// are binary, so a protected object is hashed as the bytes that its base64 stands for
// and nothing is canonicalised; the method that is named would be that for XML.
func XAIP(ctx context.Context, w io.Writer, s Source) error {
	files, err := s.files()
	if err != nil {
		return err
	}
	b := bufio.NewWriterSize(w, 64<<10)
	x := &xaip{page: page{w: b}, ctx: ctx, source: s, record: s.Package.Record(), ids: map[string]string{}, media: map[preservation.FileID]string{}}
	for _, f := range x.record.Files {
		x.media[f.ID] = f.Format.MIME
	}
	x.sort(files)
	x.write()
	if x.err != nil {
		return x.err
	}
	return b.Flush()
}

type xaip struct {
	page
	ctx    context.Context
	source Source
	record preservation.Record

	data, metadata, seals []aip.Entry
	ids                   map[string]string // of the objects, by their path
	media                 map[preservation.FileID]string
}

// sort gives every file its section and its identifier, which XML wants to begin with
// a letter.
func (x *xaip) sort(files []aip.Entry) {
	for _, e := range files {
		switch {
		case e.File != "":
			x.ids[e.Path] = string(e.File)
			x.data = append(x.data, e)
		case e.Path == aip.SealPath:
			x.ids[e.Path] = "seal"
			x.seals = append(x.seals, e)
		default:
			x.metadata = append(x.metadata, e)
			x.ids[e.Path] = fmt.Sprintf("m%04d", len(x.metadata))
		}
	}
}

const (
	sha256URI = "http://www.w3.org/2001/04/xmlenc#sha256"
	c14nURI   = "http://www.w3.org/2001/10/xml-exc-c14n#"
	// unknownEnd stands where a day must: the end of the retention is not known.
	unknownEnd = "9999-12-31"
)

func (x *xaip) write() {
	version := fmt.Sprintf("V%03d", x.record.Version)
	x.text(`<?xml version="1.0" encoding="UTF-8"?>` + "\n" +
		`<xaip:XAIP xmlns:xaip="http://www.bsi.bund.de/tr-esor/xaip" xmlns:ds="http://www.w3.org/2000/09/xmldsig#" xmlns:dss="urn:oasis:names:tc:dss:1.0:core:schema" XAIPVersion="1.3.0">` + "\n")
	x.header(version)
	x.section("metaDataSection", x.metadata, func(e aip.Entry) {
		x.text(`<xaip:metaDataObject metaDataID="%s" relatedObjects="%s" category="%s">`, x.ids[e.Path], version, e.Path)
		x.binary("binaryMetaData", e, "")
		x.text("</xaip:metaDataObject>\n")
	}, func() { x.statements(version) })
	x.section("dataObjectsSection", x.data, func(e aip.Entry) {
		x.text(`<xaip:dataObject dataObjectID="%s">`, x.ids[e.Path])
		x.binary("binaryData", e, x.media[e.File])
		x.text("</xaip:dataObject>\n")
	}, nil)
	x.text("<xaip:credentialsSection>\n")
	for _, e := range x.seals {
		x.text(`<xaip:credential credentialID="%s" relatedObjects="%s"><dss:SignatureObject><dss:Base64Signature Type="urn:ietf:rfc:3369">`, x.ids[e.Path], x.ids[aip.MetsPath])
		x.base64(e)
		x.text("</dss:Base64Signature></dss:SignatureObject></xaip:credential>\n")
	}
	x.text(`<xaip:credential credentialID="er" relatedObjects="%s"><xaip:evidenceRecord AOID="%s" VersionID="%s"><xaip:asn1EvidenceRecord>%s</xaip:asn1EvidenceRecord></xaip:evidenceRecord></xaip:credential>`+"\n",
		version, string(x.record.ID), version, base64.StdEncoding.EncodeToString(x.source.Evidence))
	x.text("</xaip:credentialsSection>\n</xaip:XAIP>\n")
}

func (x *xaip) header(version string) {
	r := x.record
	x.text(`<xaip:packageHeader packageID="p%s"><xaip:AOID>%s</xaip:AOID>`, string(r.ID), string(r.ID))
	x.text(`<xaip:versionManifest VersionID="%s"><xaip:preservationInfo>`, version)
	if x.source.Until == (preservation.Date{}) {
		x.text(`<xaip:retentionPeriod>%s</xaip:retentionPeriod><xaip:status>the end of the retention is not known yet</xaip:status>`, unknownEnd)
	} else {
		x.text(`<xaip:retentionPeriod>%s</xaip:retentionPeriod>`, x.source.Until.String())
	}
	x.text("</xaip:preservationInfo>\n<xaip:submissionInfo><xaip:clientID>%s</xaip:clientID><xaip:submissionTime>%s</xaip:submissionTime></xaip:submissionInfo>\n",
		r.Producer, stamp(r.Received))
	x.text(`<xaip:packageInfoUnit packageUnitID="unit"><xaip:textInfo>%s</xaip:textInfo>`+"\n", r.Title)
	for _, list := range [][]aip.Entry{x.data, x.metadata, x.seals} {
		for _, e := range list {
			x.text("<xaip:protectedObjectPointer>%s</xaip:protectedObjectPointer>\n", x.ids[e.Path])
		}
	}
	if len(x.source.Statements) > 0 {
		x.text("<xaip:unprotectedObjectPointer>" + statementsID + "</xaip:unprotectedObjectPointer>\n")
	}
	x.text("<xaip:unprotectedObjectPointer>er</xaip:unprotectedObjectPointer></xaip:packageInfoUnit></xaip:versionManifest>\n" +
		`<ds:CanonicalizationMethod Algorithm="` + c14nURI + `"/></xaip:packageHeader>` + "\n")
}

const statementsID = "statements" // of the counter-statements

// statements writes the counter-statements, which the evidence record does not cover.
func (x *xaip) statements(version string) {
	if len(x.source.Statements) == 0 || x.err != nil {
		return
	}
	content, err := x.source.statements()
	if err != nil {
		x.err = err
		return
	}
	sum := sha256.Sum256(content)
	x.text(`<xaip:metaDataObject metaDataID="`+statementsID+`" relatedObjects="%s" category="%s"><xaip:binaryMetaData MimeType="application/json">%s</xaip:binaryMetaData>`+
		"<xaip:checkSum><xaip:checkSumAlgorithm>"+sha256URI+"</xaip:checkSumAlgorithm><xaip:checkSum>%s</xaip:checkSum></xaip:checkSum></xaip:metaDataObject>\n",
		version, statementsName, base64.StdEncoding.EncodeToString(content), hex.EncodeToString(sum[:]))
}

// section writes a section, which must not be empty. last, if any, writes what else is in it.
func (x *xaip) section(name string, files []aip.Entry, each func(aip.Entry), last func()) {
	if len(files) == 0 {
		return
	}
	x.text("<xaip:" + name + ">\n")
	for _, e := range files {
		each(e)
	}
	if last != nil {
		last()
	}
	x.text("</xaip:" + name + ">\n")
}

// binary writes the content of a file with its checksum.
func (x *xaip) binary(element string, e aip.Entry, media string) {
	if media == "" {
		media = "application/octet-stream"
	}
	x.text("<xaip:"+element+` MimeType="%s">`, media)
	x.base64(e)
	x.text("</xaip:"+element+"><xaip:checkSum><xaip:checkSumAlgorithm>"+sha256URI+"</xaip:checkSumAlgorithm><xaip:checkSum>%s</xaip:checkSum></xaip:checkSum>", e.SHA256)
}

func (x *xaip) base64(e aip.Entry) {
	if x.err != nil {
		return
	}
	to := base64.NewEncoder(base64.StdEncoding, x.w)
	if x.err = x.source.copy(x.ctx, to, e); x.err == nil {
		x.err = to.Close()
	}
}
