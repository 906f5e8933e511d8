package dip

import (
	"bufio"
	"context"
	"io"
	"slices"
	"strings"
	"time"

	"bestand/preservation"
	"bestand/preservation/aip"
)

// Offer is what a disposal run offers to the competent archive (Anbieteverzeichnis).
type Offer struct {
	Run     string
	Records []Offered

	Archive string // who offers: the name of the municipality
	Reader  string // to whom: the competent archive; empty until the offer is noted
	Agent   preservation.Agent
	At      time.Time
}

// Offered is a record that is offered.
type Offered struct {
	Record preservation.Record
	Filing Filing            // Parents are told as context
	Until  preservation.Date // last day of its retention
	// Proposed is how it was assessed, A or V, and Note why; empty while it was not.
	Proposed, Note string
	// Kept: it is kept longer since it was offered. An answer need not decide about it,
	// and what it decides has no effect now.
	Kept bool
}

// name is that of the message and of its container, without the extension.
func (o Offer) name() string { return runProcess(o.Run).String() + "_0501_1" }

// XdomeaOfferName is the name of the container of an offer.
func XdomeaOfferName(run string) string { return Offer{Run: run}.name() + ".zip" }

// offerMessage is the nachrichtenUUID of the one offer of a run.
func offerMessage(run string) uuid { return derived("offer", run) }

// XdomeaOffer writes message Aussonderung.Anbieteverzeichnis.0501 of xdomea 4.0.0 in a
// ZIP. It has the records as Akten and Vorgänge in the tree that they stand in, without
// files. A record that is a single document is offered as a Vorgang, since archives
// appraise nothing below one.
func XdomeaOffer(ctx context.Context, w io.Writer, o Offer) error {
	m, err := made(o.name()+".xml", func(w io.Writer) error {
		b := bufio.NewWriterSize(w, 64<<10)
		p := &page{w: b}
		p.offer(o)
		if p.err != nil {
			return p.err
		}
		return b.Flush()
	})
	if err != nil {
		return err
	}
	z := aip.NewZIP(w)
	if err := pack(ctx, z, "", m); err != nil {
		return err
	}
	return z.Close()
}

func (p *page) offer(o Offer) {
	l := letter{kind: "Aussonderung.Anbieteverzeichnis.0501", process: runProcess(o.Run), id: offerMessage(o.Run), archive: o.Archive, reader: o.Reader, agent: o.Agent, at: o.At}
	p.begin(l)
	p.element("Empfangsbestaetigung", "0")
	p.number(1, 1)
	for _, b := range forest(o.Records) {
		p.text("<xdomea:Schriftgutobjekt>\n")
		p.branch(b)
		p.text("</xdomea:Schriftgutobjekt>\n")
	}
	p.end(l)
}

// branch is an object of the tree with those in it.
type branch struct {
	node
	offered Offered // unless it is context
	below   []*branch
}

// forest puts records and what they are part of into trees.
func forest(records []Offered) []*branch {
	var roots []*branch
	known := map[string]*branch{} // by the way down to it
	ids := identities(records)
	for i, o := range records {
		self := node{element: elementOf(o.Record.Kind), id: ids[i], record: o.Record}
		if self.element == "Dokument" {
			self.element = "Vorgang"
		}
		way, level := "", &roots
		for _, n := range ancestry(self, o.Filing.Parents) {
			way += "/" + string(n.record.ID)
			b := known[way]
			if b == nil {
				b = &branch{node: n}
				known[way], *level = b, append(*level, b)
			}
			if !n.context {
				b.node, b.offered = n, o
			}
			level = &b.below
		}
	}
	return roots
}

// identities are the xdomeaUUIDs under which records are offered: those of their
// hand-over. Records that came with the same UUID have ones of their own.
func identities(records []Offered) []uuid {
	ids, times := make([]uuid, len(records)), map[uuid]int{}
	for i, o := range records {
		ids[i] = objectID(o.Record)
		if elementOf(o.Record.Kind) == "Dokument" {
			ids[i] = aroundID(o.Record)
		}
		times[ids[i]]++
	}
	for i, o := range records {
		if times[ids[i]] > 1 {
			ids[i] = derived("record", string(o.Record.ID))
		}
	}
	return ids
}

func (p *page) branch(b *branch) {
	file := strings.EqualFold(b.element[len(b.element)-4:], "akte")
	p.text("<xdomea:" + b.element + ">")
	p.identify(b.id, 0)
	p.text("<xdomea:Kontextobjekt>" + digit(b.context) + "</xdomea:Kontextobjekt>\n")
	p.general(b.record, b.offered.Filing.ClassTitle, !b.context)
	if !b.context {
		p.disposal(b.offered.Filing, b.offered.Until, b.offered.Proposed, b.offered.Note)
	}
	if !file {
		p.closed(b.record)
	}
	p.term(b.record)
	if file {
		p.text("<xdomea:Akteninhalt>\n")
	}
	slices.SortStableFunc(b.below, func(x, y *branch) int { return -strings.Compare(x.element, y.element) }) // Vorgang before Teilakte
	for _, c := range b.below {
		p.branch(c)
	}
	if file {
		p.text("</xdomea:Akteninhalt>\n")
		p.closed(b.record)
	}
	if !b.context {
		p.text("<xdomea:AnwendungsspezifischeErweiterung><xdomea:Kennung>bestand</xdomea:Kennung><xdomea:Name>Bestand</xdomea:Name>")
		p.field("Record", string(b.record.ID))
		p.text("</xdomea:AnwendungsspezifischeErweiterung>\n")
	}
	p.text("</xdomea:" + b.element + ">\n")
}
