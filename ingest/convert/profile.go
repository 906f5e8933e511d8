package convert

import (
	"context"
	_ "embed"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"bestand/ingest/sandbox"
)

//go:embed profile.xcu
var settings string

// officeFlags starts LibreOffice with a profile and nobody in front of it.
func officeFlags(profile string) []string {
	install := url.URL{Scheme: "file", Path: profile}
	return []string{
		"-env:UserInstallation=" + install.String(),
		"-env:SecureUserConfig=false", // no copies of a profile that is thrown away
		"--headless", "--norestore", "--nolockcheck", "--nologo",
	}
}

// extended returns the file by which LibreOffice knows that it has looked for
// extensions; with a profile without it, it starts, looks, and starts again. It
// writes it here once, as the version that is installed does, before it has seen any
// document. Empty where it does not.
func (c *Converter) extended(ctx context.Context) ([]byte, error) {
	c.mu.Lock()
	known := c.extensions
	c.mu.Unlock()
	if known != nil || c.hasFailed() {
		return known, nil
	}
	dir, err := os.MkdirTemp("", "profile-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	user := filepath.Join(dir, "profile", "user")
	if err := os.MkdirAll(user, 0o700); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(user, settingsFile), c.settings(ctx), 0o600); err != nil {
		return nil, err
	}
	limits := officeLimits
	limits.Wall = trialTime
	res, err := c.cfg.Sandbox.Run(ctx, sandbox.Command{
		Name: "soffice", Args: append(officeFlags(filepath.Dir(user)), "--terminate_after_init"), Dir: dir, Limits: limits,
	})
	if err != nil {
		return nil, err
	}
	if !res.OK() {
		c.notNow()
		return nil, nil
	}
	content, err := os.ReadFile(filepath.Join(user, extensionsFile))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	c.mu.Lock()
	c.extensions = append([]byte{}, content...)
	c.mu.Unlock()
	return content, nil
}

// Files below the user's folder of a profile.
const (
	settingsFile   = "registrymodifications.xcu"
	extensionsFile = "extensions/buildid"
)

// settings is the content of a new profile, for the version that is installed.
func (c *Converter) settings(ctx context.Context) []byte {
	return []byte(strings.ReplaceAll(settings, "{{VERSION}}", majorMinor(c.libreOffice(ctx).Version)))
}

// profile writes a new one into a folder.
func (c *Converter) profile(ctx context.Context, dir string) error {
	made, err := c.extended(ctx)
	if err != nil {
		return err
	}
	user := filepath.Join(dir, "user")
	if err := os.MkdirAll(filepath.Join(user, filepath.Dir(extensionsFile)), 0o700); err != nil {
		return err
	}
	if len(made) > 0 {
		if err := os.WriteFile(filepath.Join(user, extensionsFile), made, 0o600); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(user, settingsFile), c.settings(ctx), 0o600)
}

func majorMinor(version string) string {
	if p := strings.SplitN(version, ".", 3); len(p) >= 2 {
		return p[0] + "." + p[1]
	}
	return version
}
