package retention

import (
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// TestReleaseLeftUnexplained: a legal hold in the store stays when no hold that was
// released explains it: what came since the release may be all that is left of another.
func TestReleaseLeftUnexplained(t *testing.T) {
	for name, strange := range map[string]func(a *archive, id preservation.RecordID) preservation.RecordID{
		"one that was told, released before": func(a *archive, id preservation.RecordID) preservation.RecordID {
			a.release(a.told(Scope{All: true}))
			a.evaluate()
			a.lose(a.told(Scope{Records: []preservation.RecordID{id}}))
			return id
		},
		"one that stood beside it": func(a *archive, id preservation.RecordID) preservation.RecordID {
			before := a.told(Scope{All: true})
			h := a.told(Scope{Records: []preservation.RecordID{id}})
			a.release(before)
			a.evaluate()
			a.lose(h)
			return id
		},
		"set by hand after it": func(a *archive, id preservation.RecordID) preservation.RecordID {
			a.release(a.told(Scope{All: true}))
			a.evaluate()
			a.byHand(id)
			return id
		},
		"received after it": func(a *archive, _ preservation.RecordID) preservation.RecordID {
			a.release(a.told(Scope{All: true}))
			id := a.keep(a.metadata(sickness, "2025-07-31"))
			a.evaluate()
			a.byHand(id)
			return id
		},
		"of another class then": func(a *archive, id preservation.RecordID) preservation.RecordID {
			a.release(a.told(Scope{Classes: []string{contact}}))
			if _, err := a.officer.Reclassify(a.t.Context(), a.tenant, id, contact, "falsch eingeordnet", "anna"); err != nil {
				a.t.Fatal(err)
			}
			a.evaluate()
			a.byHand(id)
			return id
		},
		"a document that cannot be read": func(a *archive, id preservation.RecordID) preservation.RecordID {
			a.vault.add(preservation.ConfigKey(string(a.id())), []byte("?"), preservation.Lock{})
			a.leave(id)
			return id
		},
		"a document that the catalog does not have": func(a *archive, id preservation.RecordID) preservation.RecordID {
			h := a.hold(Scope{Records: []preservation.RecordID{id}})
			a.release(h)
			a.forget(h)
			a.leave(id)
			return id
		},
		"a surplus version that says something else": func(a *archive, id preservation.RecordID) preservation.RecordID {
			h := a.hold(Scope{Records: []preservation.RecordID{id}})
			a.release(h)
			_, other := a.document(KindHold, h.ID)
			a.leave(id)
			one, _ := a.document(KindHold, a.last(KindHold))
			a.surplus(one, other)
			return id
		},
		"a surplus version that cannot be read": func(a *archive, id preservation.RecordID) preservation.RecordID {
			a.leave(id)
			one, _ := a.document(KindHold, a.last(KindHold))
			a.surplus(one, []byte("?"))
			return id
		},
		"a document that is known to be damaged": func(a *archive, id preservation.RecordID) preservation.RecordID {
			if err := a.tenant.Update(a.t.Context(), func(x *catalog.Tx) error {
				_, err := x.AddFinding("", preservation.Finding{Subject: preservation.ConfigKey("x"), Code: "copy-only"})
				return err
			}); err != nil {
				a.t.Fatal(err)
			}
			a.leave(id)
			return id
		},
		"an event that cannot be read": func(a *archive, id preservation.RecordID) preservation.RecordID {
			a.leave(id)
			a.vault.add(preservation.EventKey(id, string(a.id())), []byte("?"), preservation.Lock{})
			return id
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := newArchive(t, "2026-02-01")
			id := strange(a, a.keep(a.metadata(sickness, "2025-07-31")))
			if done, err := a.officer.ReleaseLeft(t.Context(), a.tenant, id); err != nil || done {
				t.Errorf("released: %t, %v", done, err)
			}
			if o, err := a.vault.Stat(t.Context(), preservation.PackageKey(id, 1), ""); err != nil || !o.Hold {
				t.Errorf("%+v, %v", o, err)
			}
		})
	}
}

// TestReleaseLeftSurplus: a surplus version of a document, of which all is known, keeps no
// legal hold that a released one explains.
func TestReleaseLeftSurplus(t *testing.T) {
	a := newArchive(t, "2026-02-01")
	id := a.keep(a.metadata(sickness, "2025-07-31"))
	a.leave(id)
	one, text := a.document(KindHold, a.last(KindHold))
	a.surplus(one, text)
	if done, err := a.officer.ReleaseLeft(t.Context(), a.tenant, id); err != nil || !done {
		t.Errorf("released: %t, %v", done, err)
	}
	a.wantHold(id, false)
}

// last names the newest document of a kind.
func (a *archive) last(kind string) string {
	a.t.Helper()
	docs, _, err := a.tenant.View().AllDocuments(a.t.Context())
	if err != nil {
		a.t.Fatal(err)
	}
	name := ""
	for _, d := range docs { // by keys, which are by time
		if d.Kind == kind {
			name = d.Name
		}
	}
	return name
}

// document is the key of the newest version of a document, and what the bucket has of it.
func (a *archive) document(kind, name string) (key string, text []byte) {
	a.t.Helper()
	key = a.key(kind, name)
	o, err := a.vault.Stat(a.t.Context(), key, "")
	if err == nil {
		text, err = read(a.t.Context(), a.vault, o, preservation.MaxConfigObject)
	}
	if err != nil {
		a.t.Fatal(err)
	}
	return key, text
}

// surplus writes another version of a document, which is found.
func (a *archive) surplus(key string, text []byte) {
	a.t.Helper()
	a.vault.add(key, text, preservation.Lock{})
	if err := a.tenant.Update(a.t.Context(), func(x *catalog.Tx) error {
		_, err := x.AddFinding("", preservation.Finding{Subject: key, Code: "surplus-version"})
		return err
	}); err != nil {
		a.t.Fatal(err)
	}
}

// TestDestructionLeavesHold: a destruction that meets a legal hold in the store that
// nothing explains leaves it, and the record.
func TestDestructionLeavesHold(t *testing.T) {
	a := newArchive(t, "2026-02-01")
	a.permit(contact)
	id := a.keep(a.metadata(contact, "2020-07-31"))
	a.night()
	a.byHand(id)
	for range 3 {
		a.now = a.now.AddDate(0, 0, 16)
		a.dispose()
	}
	a.whole(id)
	if o, err := a.vault.Stat(t.Context(), preservation.PackageKey(id, 1), ""); err != nil || !o.Hold {
		t.Errorf("%+v, %v", o, err)
	}
}

// TestReleaseLeftMeetsHold: a hold that comes while another is taken off is set again.
func TestReleaseLeftMeetsHold(t *testing.T) {
	a := newArchive(t, "2026-02-01")
	id := a.keep(a.metadata(sickness, "2025-07-31"))
	a.evaluate()
	a.leave(id)
	a.midway(0, func() {
		a.hold(Scope{Records: []preservation.RecordID{id}})
		a.evaluate()
		a.now = a.now.Add(time.Second)
	})
	if _, err := a.officer.ReleaseLeft(t.Context(), a.tenant, id); err != nil {
		t.Fatal(err)
	}
	a.evaluate()
	a.want(id, "held")
	a.wantHold(id, true)
}

// told sets a hold and has it applied and told.
func (a *archive) told(s Scope) Hold {
	a.t.Helper()
	h := a.hold(s)
	a.evaluate()
	a.now = a.now.Add(time.Second)
	return h
}

func (a *archive) release(h Hold) {
	a.t.Helper()
	if _, err := a.officer.ReleaseHold(a.t.Context(), a.tenant, h.ID, "erledigt", "anna"); err != nil {
		a.t.Fatal(err)
	}
	a.now = a.now.Add(time.Second)
}

// leave leaves a legal hold in the store of a hold that was cut off before it was told,
// and was released.
func (a *archive) leave(id preservation.RecordID) {
	a.t.Helper()
	h := a.hold(Scope{Records: []preservation.RecordID{id}})
	a.killed(99, 0)
	a.release(h)
	a.evaluate()
}

// byHand sets a legal hold in the store that no hold asks for.
func (a *archive) byHand(id preservation.RecordID) {
	a.t.Helper()
	if err := a.vault.SetHold(a.t.Context(), preservation.PackageKey(id, 1), "", true); err != nil {
		a.t.Fatal(err)
	}
}

// forget has the catalog not know of a hold.
func (a *archive) forget(h Hold) {
	a.t.Helper()
	a.behind(`DELETE FROM document WHERE kind = 'hold' AND name = $1`, h.ID)
}

// lose loses all trace of a hold but what its records show.
func (a *archive) lose(h Hold) {
	a.t.Helper()
	a.vault.drop(a.key(KindHold, h.ID))
	a.forget(h)
	a.now = a.now.Add(time.Second)
}
