package aip

import (
	"io"
	"strconv"
	"strings"
	"time"

	"bestand/preservation"
)

const (
	metsNamespace  = "http://www.loc.gov/METS/"
	csipNamespace  = "https://DILCIS.eu/XML/METS/CSIPExtensionMETS"
	xlinkNamespace = "http://www.w3.org/1999/xlink"
	csipProfile    = "https://earkcsip.dilcis.eu/profile/E-ARK-CSIP.xml"
)

// reference is what METS says of one file of the package.
type reference struct {
	id      string // xml:id
	group   string // of the file section; empty for metadata
	media   string
	created time.Time
	entry   Entry
}

// metsWriter writes METS with the requirements of CSIP 2.2, named below by number.
type metsWriter struct {
	*xmlWriter
	record  *preservation.Record
	creator preservation.Agent
	at      time.Time
	refs    []reference
}

func writeMets(w io.Writer, m metsWriter) error {
	x := newXMLWriter(w)
	m.xmlWriter = x
	x.start("mets", "xmlns", metsNamespace, "xmlns:csip", csipNamespace, "xmlns:xlink", xlinkNamespace,
		"xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance",
		"xsi:schemaLocation", metsNamespace+" http://www.loc.gov/standards/mets/mets.xsd "+csipNamespace+" "+SchemaPath,
		"OBJID", string(m.record.ID), // CSIP1, and CSIPSTR2: the root folder
		"TYPE", "Mixed", // CSIP2
		"csip:CONTENTINFORMATIONTYPE", "OTHER", "csip:OTHERCONTENTINFORMATIONTYPE", Format, // CSIP4, CSIP5
		"PROFILE", csipProfile) // CSIP6
	m.header()
	m.descriptive("dmd-record", RecordPath, "MDTYPE", "OTHER", "OTHERMDTYPE", "BESTAND-RECORD")
	m.descriptive("dmd-dc", DCPath, "MDTYPE", "DC")
	x.start("amdSec") // CSIP31
	x.start("digiprovMD", "ID", "amd-premis", "STATUS", "CURRENT")
	m.metadata(PremisPath, "MDTYPE", "PREMIS", "MDTYPEVERSION", "3.0")
	x.end()
	x.end()
	groups := m.files()
	m.structure(groups)
	x.end()
	return x.flush()
}

func (m metsWriter) header() {
	m.start("metsHdr", "CREATEDATE", timestamp(m.at), "LASTMODDATE", timestamp(m.at), // CSIP7, CSIP8
		"csip:OAISPACKAGETYPE", "AIP") // CSIP9
	m.start("agent", "ROLE", "CREATOR", "TYPE", "OTHER", "OTHERTYPE", "SOFTWARE") // CSIP10 to CSIP13
	m.leaf("name", m.creator.Name)                                                // CSIP14
	m.leaf("note", m.creator.Version, "csip:NOTETYPE", "SOFTWARE VERSION")        // CSIP15, CSIP16
	m.end()
	m.leaf("altRecordID", strconv.Itoa(m.record.Version), "TYPE", "VERSION")
	m.end()
}

func (m metsWriter) descriptive(id, path string, kind ...string) {
	m.start("dmdSec", "ID", id, "CREATED", timestamp(m.at), "STATUS", "CURRENT") // CSIP18 to CSIP20
	m.metadata(path, kind...)
	m.end()
}

// metadata writes a mdRef (CSIP22 to CSIP30, CSIP36 to CSIP44).
func (m metsWriter) metadata(path string, kind ...string) {
	for _, r := range m.refs {
		if r.entry.Path == path {
			attrs := append([]string{"LOCTYPE", "URL", "xlink:type", "simple", "xlink:href", path}, kind...)
			m.empty("mdRef", append(attrs, r.attributes()...)...)
		}
	}
}

// attributes are those of FILECORE: what, how long, since when, which digest.
func (r reference) attributes() []string {
	return []string{"MIMETYPE", r.media, "SIZE", strconv.FormatInt(r.entry.Size, 10), "CREATED", timestamp(r.created),
		"CHECKSUM", r.entry.SHA256, "CHECKSUMTYPE", "SHA-256"}
}

// files writes the file section and returns the groups in it. The groups of a
// representation hold the files themselves: there is no METS below the root's
// (CSIP114 allows both), so that one sealed document covers everything.
func (m metsWriter) files() (groups []string) {
	m.start("fileSec", "ID", "files") // CSIP59
	for _, group := range fileGroups() {
		begun := false
		for _, r := range m.refs {
			if r.group != group {
				continue
			}
			if !begun {
				begun = true
				groups = append(groups, group)
				m.start("fileGrp", "ID", groupID(group), "USE", group, // CSIP60, CSIP64, CSIP65, CSIP113
					"csip:CONTENTINFORMATIONTYPE", "OTHER", "csip:OTHERCONTENTINFORMATIONTYPE", Format) // CSIP62, CSIP63
			}
			m.start("file", append([]string{"ID", r.id}, r.attributes()...)...)                     // CSIP67 to CSIP72
			m.empty("FLocat", "LOCTYPE", "URL", "xlink:type", "simple", "xlink:href", r.entry.Path) // CSIP76 to CSIP79
			m.end()
		}
		if begun {
			m.end()
		}
	}
	m.end()
	return groups
}

// dataGroups names the group of the files of a representation.
var dataGroups = func() map[preservation.Representation]string {
	all := map[preservation.Representation]string{}
	for _, r := range known {
		all[r] = "Representations/" + string(r) + "/data"
	}
	return all
}()

// fileGroups are the groups of the file section in their order.
func fileGroups() []string {
	all := []string{"Documentation", "Schemas"}
	for _, r := range known {
		all = append(all, dataGroups[r])
	}
	return all
}

func groupID(group string) string {
	return "group-" + strings.ReplaceAll(strings.ToLower(group), "/", "-")
}

// structure writes the structural map (CSIP80 to CSIP104).
func (m metsWriter) structure(groups []string) {
	m.start("structMap", "ID", "structure", "TYPE", "PHYSICAL", "LABEL", "CSIP")
	m.start("div", "ID", "div-package", "LABEL", string(m.record.ID))
	m.empty("div", "ID", "div-metadata", "LABEL", "Metadata", "DMDID", "dmd-record dmd-dc", "ADMID", "amd-premis")
	for _, label := range []string{"Documentation", "Schemas", "Representations"} {
		begun := false
		for _, group := range groups {
			if first, _, _ := strings.Cut(group, "/"); first != label {
				continue
			}
			if !begun {
				begun = true
				m.start("div", "ID", "div-"+strings.ToLower(label), "LABEL", label)
			}
			m.empty("fptr", "FILEID", groupID(group))
		}
		if begun {
			m.end()
		}
	}
	m.end()
	m.end()
}
