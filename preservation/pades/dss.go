package pades

import (
	"bytes"
	"fmt"

	"bestand/preservation/revocation"
)

// maxItems bounds the entries of each kind that are read of a document's store.
const maxItems = 64

// addMaterial returns the update that gives a document its security store
// (EN 319 142-1, 5.4.2; ISO 32000-2, 12.8.4.3) with the material. The entry VRI,
// which would say again which of it belongs to which signature, is left out.
func (f *file) addMaterial(m revocation.Material) ([]byte, error) {
	catalog, err := f.catalog()
	if err != nil {
		return nil, err
	}
	v := f.newest
	var objects []object
	add := func(value []byte) ref {
		r := ref{number: v.next + uint32(len(objects))}
		objects = append(objects, object{r, value})
		return r
	}
	list := func(all [][]byte) string {
		var b bytes.Buffer
		b.WriteString("[")
		for i, der := range all {
			if i > 0 {
				b.WriteString(" ")
			}
			b.WriteString(add(fmt.Appendf(nil, "<< /Length %d >>\nstream\n%s\nendstream", len(der), der)).String())
		}
		b.WriteString("]")
		return b.String()
	}
	store := []entry{{"Type", "/DSS"}}
	var certificates [][]byte
	for _, c := range m.Certificates {
		certificates = append(certificates, c.Raw)
	}
	for _, kind := range []struct {
		key   string
		items [][]byte
	}{{"Certs", certificates}, {"CRLs", m.Lists}, {"OCSPs", m.Answers}} {
		if len(kind.items) > 0 {
			store = append(store, entry{kind.key, list(kind.items)})
		}
	}
	dss := add(encodeDict(store))
	objects = append(objects, object{v.root, encodeDict(replace(catalog, entry{"DSS", dss.String()}))})
	return v.append(objects...), nil
}

func (f *file) catalog() ([]entry, error) {
	raw, _, err := f.object(f.newest.root.number)
	if err != nil {
		return nil, err
	}
	catalog, ok := parseEntries(raw)
	if !ok || lookup(catalog, "Type") != "/Catalog" {
		return nil, fmt.Errorf("%w: no catalog", errStructure)
	}
	return catalog, nil
}

// material reads the security store of a document; there is false without one.
func (f *file) material() (m revocation.Material, there bool, err error) {
	catalog, err := f.catalog()
	if err != nil {
		return m, false, err
	}
	raw := lookup(catalog, "DSS")
	if raw == "" {
		return m, false, nil
	}
	if raw, err = f.resolve(raw); err != nil {
		return m, true, err
	}
	store, ok := parseEntries(raw)
	if !ok {
		return m, true, fmt.Errorf("%w: DSS", errStructure)
	}
	certificates, err := f.items(lookup(store, "Certs"))
	if err != nil {
		return m, true, err
	}
	for _, der := range certificates {
		if c, err := revocation.ParseCertificate(der); err == nil {
			m.Certificates = append(m.Certificates, c)
		}
	}
	if m.Lists, err = f.items(lookup(store, "CRLs")); err == nil {
		m.Answers, err = f.items(lookup(store, "OCSPs"))
	}
	return m, true, err
}

// items returns what the streams of an array hold.
func (f *file) items(raw string) (all [][]byte, err error) {
	if raw == "" {
		return nil, nil
	}
	if raw, err = f.resolve(raw); err != nil {
		return nil, err
	}
	list, ok := parseArray(raw)
	if !ok || len(list) > maxItems {
		return nil, fmt.Errorf("%w: DSS has %d entries of one kind", errStructure, len(list))
	}
	for _, r := range list {
		der, err := f.stream(r)
		if err != nil {
			return nil, err
		}
		all = append(all, der)
	}
	return all, nil
}
