package catalog

import (
	"context"
	"fmt"
	"time"

	"bestand/preservation"
)

// Session is a person who has logged in with one browser.
type Session struct {
	Hash    string // SHA-256 in hex of the secret that the browser has
	ID      string // to name it without its hash
	Agent   string // what the browser says it is
	Created time.Time
	Seen    time.Time
	Ends    time.Time
	IDToken string // of an OpenID provider; only BeginSession takes and only Tenant.IDToken gives it
	User    User
}

// seenEvery is how exact Seen is: a page would otherwise be a write.
const seenEvery = time.Minute

// BeginSession notes a login, forgets failed attempts and sessions that are over.
func (t *Tenant) BeginSession(ctx context.Context, s Session) error {
	now := ms(t.db.now())
	return t.db.write(ctx, func(x *tx) error {
		n, err := x.exec(`UPDATE person SET login_ms = $3, failures = 0, barred_ms = 0 WHERE tenant = $1 AND id = $2 AND locked_ms = 0`, string(t.id), s.User.ID, now)
		if err == nil && n == 0 {
			err = fmt.Errorf("user %s: %w", s.User.ID, ErrNotFound)
		}
		if err != nil {
			return err
		}
		if _, err := x.exec(`DELETE FROM session WHERE ends_ms < $1`, now); err != nil {
			return err
		}
		_, err = x.exec(`INSERT INTO session (hash, id, person_id, agent, created_ms, seen_ms, ends_ms, id_token) VALUES ($1, $2, $3, $4, $5, $5, $6, $7)`,
			s.Hash, preservation.NewID(t.db.now()), s.User.ID, s.Agent, now, ms(s.Ends), s.IDToken)
		if err != nil {
			return fmt.Errorf("begin session: %w", err)
		}
		entry := AuditEntry{Actor: s.User.Name, Action: "user.login", Object: s.User.ID}
		if s.User.Issuer != "" {
			entry.Detail = map[string]string{"issuer": s.User.Issuer}
		}
		return x.audit(t.id, entry)
	})
}

// Session finds a session that is not over and was seen within the idle time, and
// notes that it was seen now. ErrNotFound when there is none.
func (db *DB) Session(ctx context.Context, hash string, idle time.Duration) (Session, error) {
	now := db.now()
	s, err := db.QuietSession(ctx, hash, idle)
	if err != nil || now.Sub(s.Seen) < seenEvery {
		return s, err
	}
	return s, db.write(ctx, func(x *tx) error {
		_, err := x.exec(`UPDATE session SET seen_ms = $2 WHERE hash = $1`, hash, ms(now))
		return err
	})
}

// QuietSession is Session for what a page asks for by itself: nobody need be there.
func (db *DB) QuietSession(ctx context.Context, hash string, idle time.Duration) (Session, error) {
	now := db.now()
	s, err := scanSession(db.reader.QueryRowContext(ctx, sessionQuery+`WHERE s.hash = $1 AND s.ends_ms > $2 AND s.seen_ms > $3 AND p.locked_ms = 0`,
		hash, ms(now), ms(now.Add(-idle))))
	return s, found(err, "session", "of this browser")
}

// Sessions lists those of a person that are not over, newest first: neither ended nor idle.
func (t *Tenant) Sessions(ctx context.Context, user string, idle time.Duration) ([]Session, error) {
	now := t.db.now()
	rows, err := t.db.reader.QueryContext(ctx, sessionQuery+`WHERE p.tenant = $1 AND s.person_id = $2 AND s.ends_ms > $3 AND s.seen_ms > $4 ORDER BY s.id DESC`,
		string(t.id), user, ms(now), ms(now.Add(-idle)))
	return collect(rows, err, scanSession)
}

// EndSession ends one session of a person by its identifier. Ending it again
// changes nothing.
func (t *Tenant) EndSession(ctx context.Context, user, id, actor string) error {
	return t.db.write(ctx, func(x *tx) error {
		n, err := x.exec(`DELETE FROM session WHERE id = $3 AND person_id IN (SELECT id FROM person WHERE tenant = $1 AND id = $2)`, string(t.id), user, id)
		if err != nil || n == 0 {
			return err
		}
		return x.audit(t.id, AuditEntry{Actor: actor, Action: "user.logout", Object: user})
	})
}

// EndSessions ends all sessions of a person, which may be none.
func (t *Tenant) EndSessions(ctx context.Context, user, actor string) error {
	return t.db.write(ctx, func(x *tx) error {
		n, err := x.exec(`DELETE FROM session WHERE person_id IN (SELECT id FROM person WHERE tenant = $1 AND id = $2)`, string(t.id), user)
		if err != nil || n == 0 {
			return err
		}
		return x.audit(t.id, AuditEntry{Actor: actor, Action: "user.logout", Object: user, Detail: map[string]string{"everything": "true"}})
	})
}

const sessionQuery = `SELECT s.hash, s.id, s.agent, s.created_ms, s.seen_ms, s.ends_ms,
	p.id, p.tenant, p.name, p.label, p.roles, p.installation, p.password, p.must_change, p.failures, p.barred_ms, p.locked_ms, p.login_ms, p.created_by, p.created_ms, p.issuer, p.subject, p.one_person
	FROM session s JOIN person p ON p.id = s.person_id `

func scanSession(row scanner) (s Session, err error) {
	var begun, seen, ends int64
	s.User, err = scanUser(after{row, []any{&s.Hash, &s.ID, &s.Agent, &begun, &seen, &ends}})
	s.Created, s.Seen, s.Ends = fromMS(begun), fromMS(seen), fromMS(ends)
	return s, err
}

// after scans columns that stand before those that its user asks for.
type after struct {
	scanner
	first []any
}

// Scan implements scanner.
func (a after) Scan(dest ...any) error { return a.scanner.Scan(append(a.first, dest...)...) }
