package mail

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"bestand/ingest/sandbox"
	"bestand/preservation"
)

// The library below Debian's msgconvert, without that script: the script asks
// for one more package, and only to write mailboxes.
const msgProgram = `binmode STDOUT; print Email::Outlook::Message->new($ARGV[0])->to_email_mime->as_string`

// FromMSG turns an Outlook message ([MS-OXMSG]) into one of RFC 5322 in the
// sandbox and returns its path in a new folder inside of dir. It wraps
// sandbox.ErrMissing when perl or its library is not installed; a *Fault says
// that the message cannot be converted.
func FromMSG(ctx context.Context, box *sandbox.Sandbox, dir, path string) (string, error) {
	out, err := fromMSG(ctx, box, dir, path)
	if err != nil {
		return "", fmt.Errorf("convert MSG: %w", err)
	}
	return out, nil
}

func fromMSG(ctx context.Context, box *sandbox.Sandbox, dir, path string) (string, error) {
	own, err := os.MkdirTemp(dir, "msg-")
	if err != nil {
		return "", err
	}
	if err := copyFile(filepath.Join(own, "message.msg"), path); err != nil {
		return "", err
	}
	f, err := os.OpenFile(filepath.Join(own, "message.eml"), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	defer f.Close()
	res, err := box.Run(ctx, sandbox.Command{
		Name: "perl", Args: []string{"-MEmail::Outlook::Message", "-e", msgProgram, "message.msg"}, Dir: own, Stdout: f,
		Limits: sandbox.Limits{CPU: 2 * time.Minute, Memory: 2 << 30, Output: 512 << 20},
	})
	if err != nil {
		return "", err
	}
	st, err := f.Stat()
	switch {
	case err != nil:
		return "", err
	case strings.Contains(res.Stderr, "Can't locate Email/Outlook/Message.pm"):
		return "", fmt.Errorf("perl's Email::Outlook::Message: %w", sandbox.ErrMissing)
	case res.Limit != "":
		return "", &Fault{Malformed, "the conversion exceeded its limit of " + res.Limit}
	case !res.OK() || st.Size() == 0:
		return "", &Fault{Malformed, "not an Outlook message, or one that is damaged"}
	}
	return f.Name(), f.Close()
}

// MSGAgent names the library and its version for the events.
func MSGAgent(ctx context.Context, box *sandbox.Sandbox, dir string) preservation.Agent {
	a := preservation.Agent{Type: preservation.Software, Name: "Email::Outlook::Message"}
	var out bytes.Buffer
	res, err := box.Run(ctx, sandbox.Command{Name: "perl", Dir: dir, Stdout: &out,
		Args: []string{"-MEmail::Outlook::Message", "-e", "print Email::Outlook::Message->VERSION"}})
	if err == nil && res.OK() {
		a.Version = strings.TrimSpace(out.String())
	}
	return a
}

func copyFile(dst, src string) error {
	in, err := os.Open(src)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(dst, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}
