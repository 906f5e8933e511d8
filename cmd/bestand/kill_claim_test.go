package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"

	"bestand/ingest"
	"bestand/preservation"
)

func sumOf(f sent) string {
	h := sha256.New()
	io.Copy(h, f.open()) // from memory
	return hex.EncodeToString(h.Sum(nil))
}

// claims are the receipts of everything that was acknowledged and not destroyed.
// Their signatures are verified; what they say is for claimed to see.
func (c *campaign) claims(a *caller) (all []ingest.Receipt) {
	v := &verifier{T: c.T, ca: c.dir + "/keys/ca.pem"}
	for _, d := range c.load.sent {
		if d.submission == "" || d.destroyed {
			continue
		}
		answer := a.get("/v1/submissions/" + d.submission + "/receipt")
		if answer.StatusCode == http.StatusGone && d.destroy {
			d.destroyed = true
			a.get("/v1/records/"+d.records[0]).refused(c.T, 410, "destroyed", "")
			c.proof[d.records[0]] = nil
			c.all.add(func() { c.all.destroyed++ })
			continue
		}
		if answer.StatusCode != 200 {
			c.Errorf("%s %s was acknowledged and has no receipt: %d %s", d.kind, d.id, answer.StatusCode, answer.body)
			continue
		}
		var r ingest.Receipt
		if err := json.Unmarshal(v.signed(string(answer.body)), &r); err != nil {
			c.Error(err)
			continue
		}
		if string(r.Submission) != d.submission || len(r.Records) != 1 {
			c.Errorf("%s %s: receipt %+v", d.kind, d.id, r)
		}
		all = append(all, r)
	}
	c.all.add(func() { c.all.receipts += len(all) })
	return all
}

// claimed wants what receipts name to be there, with its lock and digests.
func (c *campaign) claimed(a *archive, all []ingest.Receipt) {
	bucket, err := a.bucket(c.Context(), firstTenant)
	if err != nil {
		c.Fatal(err)
	}
	tenant := a.catalog.Tenant(firstTenant)
	for _, r := range all {
		for _, rec := range r.Records {
			e, err := tenant.Record(c.Context(), rec.ID)
			if err != nil {
				c.Errorf("receipt of %s: %v", rec.ID, err)
				continue
			}
			o, err := bucket.Stat(c.Context(), rec.Package.Key, rec.Package.VersionID)
			if err != nil || o.Size != rec.Package.Size || o.Lock.Mode != r.Lock.Mode || o.Lock.Until.Before(r.Lock.Until) {
				c.Errorf("receipt of %s: %+v, the bucket has %+v: %v", rec.ID, r.Lock, o, err)
				continue
			}
			body, err := bucket.Open(c.Context(), o.Key, o.VersionID, 0, -1)
			if err != nil {
				c.Errorf("receipt of %s: %v", rec.ID, err)
				continue
			}
			h := sha256.New()
			_, err = io.Copy(h, body)
			body.Close()
			if sum := hex.EncodeToString(h.Sum(nil)); err != nil || sum != rec.Package.SHA256 {
				c.Errorf("receipt of %s: SHA-256 %s, the bucket has %s: %v", rec.ID, rec.Package.SHA256, sum, err)
			}
			for _, f := range rec.Files {
				if have, ok := e.File(f.ID); !ok || have.Digests != f.Digests || have.Representation != preservation.Original {
					c.Errorf("receipt of %s names %+v, the catalog has %+v", rec.ID, f, have)
				}
			}
		}
	}
}

// indexed wants the index to find every record once and no other.
func (c *campaign) indexed(a *caller) {
	for _, d := range c.load.sent {
		if d.submission == "" || !d.checked || len(d.records) != 1 {
			continue
		}
		want := 1
		if d.destroyed {
			want = 0
		}
		if d.n%7 != 0 && d.n < c.load.count-60 {
			continue // was looked for before
		}
		var found []string
		eventually(c.T, "the index finds "+d.word, func() bool {
			found = a.find(d.word)
			return len(found) == want
		})
		if want == 1 && found[0] != d.records[0] {
			c.Errorf("%s finds %v, not %s", d.word, found, d.records[0])
		}
	}
}
