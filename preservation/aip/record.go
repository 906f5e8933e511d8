package aip

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"time"
	"unicode/utf8"

	"bestand/preservation"
)

// recordHead is record.json without its files.
type recordHead struct {
	Format     string                    `json:"format"`
	ID         preservation.RecordID     `json:"id"`
	Tenant     preservation.TenantID     `json:"tenant"`
	Version    int                       `json:"version"`
	Submission preservation.SubmissionID `json:"submission"`
	Received   time.Time                 `json:"received"`
	preservation.Metadata
	Revision *preservation.Revision `json:"revision,omitempty"`
}

// recordFile is one of the files in record.json. JSON cannot hold a name that
// is not UTF-8: its bytes are then in NameBase64.
type recordFile struct {
	preservation.File
	NameBase64 []byte `json:"name_base64,omitempty"`
}

// writeRecord writes record.json: the members in fixed order, one file a line.
func writeRecord(w io.Writer, r *preservation.Record) error {
	head, err := marshal(recordHead{Format, r.ID, r.Tenant, r.Version, r.Submission, r.Received, r.Metadata, r.Revision})
	if err != nil {
		return fmt.Errorf("encode %s: %w", RecordPath, err)
	}
	if _, err := fmt.Fprintf(w, "%s,\"files\":[", head[:len(head)-1]); err != nil {
		return err
	}
	for i, f := range r.Files {
		line := recordFile{File: f}
		if !utf8.ValidString(f.Name) {
			line.NameBase64 = []byte(f.Name)
		}
		b, err := marshal(line)
		if err != nil {
			return fmt.Errorf("encode %s: %w", RecordPath, err)
		}
		before := ",\n"
		if i == 0 {
			before = "\n"
		}
		if _, err := fmt.Fprintf(w, "%s%s", before, b); err != nil {
			return err
		}
	}
	_, err = io.WriteString(w, "\n]}\n")
	return err
}

func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// readRecord reads record.json as a stream and checks it as Write does.
func readRecord(r io.Reader) (*preservation.Record, error) {
	dec := json.NewDecoder(r)
	if err := expect(dec, json.Delim('{')); err != nil {
		return nil, err
	}
	members := []byte{'{'}
	var files []preservation.File
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrInvalid, RecordPath, err)
		}
		if key == "files" {
			if files != nil {
				return nil, fmt.Errorf("%w: %s: files twice", ErrInvalid, RecordPath)
			}
			if files, err = readFiles(dec); err != nil {
				return nil, err
			}
			continue
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrInvalid, RecordPath, err)
		}
		if len(members) > 1 {
			members = append(members, ',')
		}
		name, _ := json.Marshal(key) // a string
		members = append(append(append(members, name...), ':'), value...)
	}
	if err := expect(dec, json.Delim('}')); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, fmt.Errorf("%w: %s: more after the record", ErrInvalid, RecordPath)
	}
	var head recordHead
	if err := json.Unmarshal(append(members, '}'), &head); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrInvalid, RecordPath, err)
	}
	if head.Format != Format {
		return nil, fmt.Errorf("%w: format %q, this version of the software reads %s", ErrInvalid, head.Format, Format)
	}
	rec := &preservation.Record{ID: head.ID, Tenant: head.Tenant, Version: head.Version, Submission: head.Submission,
		Received: head.Received.UTC(), Metadata: head.Metadata, Revision: head.Revision, Files: files}
	return rec, checkRecord(rec)
}

func readFiles(dec *json.Decoder) ([]preservation.File, error) {
	if err := expect(dec, json.Delim('[')); err != nil {
		return nil, err
	}
	files := []preservation.File{}
	same := map[string]string{} // what is true of many files, kept once
	once := func(s *string) {
		if have, ok := same[*s]; ok {
			*s = have
		} else if len(same) < 1000 {
			same[*s] = *s
		}
	}
	for dec.More() {
		if len(files) == MaxEntries {
			return nil, fmt.Errorf("%w: %s: more than %d files", ErrInvalid, RecordPath, MaxEntries)
		}
		var f recordFile
		if err := dec.Decode(&f); err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrInvalid, RecordPath, err)
		}
		if f.NameBase64 != nil {
			f.Name = string(f.NameBase64)
		}
		for _, s := range []*string{&f.Format.PUID, &f.Format.Name, &f.Format.Version, &f.Format.MIME, &f.Format.Registry, &f.Format.Basis,
			(*string)(&f.Representation), &f.Verdict, &f.Flavour, &f.Title, &f.Document} {
			once(s)
		}
		files = append(files, f.File)
	}
	return files, expect(dec, json.Delim(']'))
}

func expect(dec *json.Decoder, want json.Delim) error {
	got, err := dec.Token()
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrInvalid, RecordPath, err)
	}
	if got != want {
		return fmt.Errorf("%w: %s: %v where %v belongs", ErrInvalid, RecordPath, got, want)
	}
	return nil
}
