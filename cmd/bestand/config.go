package main

import (
	"context"
	"crypto"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"bestand/ingest"
	"bestand/preservation"
	"bestand/preservation/proof"
	"bestand/preservation/verdict"
)

// Config is everything that can be set. It is loaded once: from a YAML file,
// the environment (BESTAND_ and the name in upper case with _ for -) and the
// flags, each overruling the one before. All three use the same names.
type Config struct {
	Data         string
	Listen       string
	TLSCert      string
	TLSKey       string
	TrustedProxy bool

	Catalog string

	S3Endpoint     string
	S3AccessKey    string
	S3SecretFile   string
	S3Region       string
	S3Secure       bool
	S3CAFile       string
	S3BucketPrefix string
	S3Timeout      time.Duration

	CopyEndpoint     string
	CopyAccessKey    string
	CopySecretFile   string
	CopyRegion       string
	CopySecure       bool
	CopyCAFile       string
	CopyBucketPrefix string
	CopyGone         bool

	LockMode    string
	LockHorizon int
	LockShort   int

	ScrubPeriod int
	ScrubRate   int64

	SealKey      string
	SealPassword string
	SealModule   string
	SealToken    string
	SealLabel    string
	SealPIN      string
	SealChain    string
	SealPSS      bool
	SealMaxBytes int64
	TSAURL       string
	TSAUser      string
	TSAPassword  string
	TrustFile    string
	Digest       string
	Algorithms   string

	PublicURL        string
	Accessibility    string
	OIDCIssuer       string
	OIDCClientID     string
	OIDCClientSecret string
	OIDCRoles        string
	OIDCClaim        string
	OIDCScopes       string
	OIDCCAFile       string

	Clamd      string
	VeraPDF    string
	OCR        bool
	Workers    int
	MaxUpload  int64
	MaxFiles   int
	LogLevel   string
	LogJSON    bool
	DisposeMax float64
	Floor      int
	Jump       float64
	Grace      int
	BackupDays int

	restoring bool // bestand restore is what uses the data folder
}

// secret settings are never printed. They name files, but a value given in the
// wrong place must not end up in a log either.
var secret = []string{"s3-access-key", "copy-access-key"}

func (c *Config) flags(fs *flag.FlagSet) {
	fs.StringVar(&c.Data, "data", "data", "`folder` of everything that this installation keeps locally")
	fs.StringVar(&c.Listen, "listen", "127.0.0.1:8080", "`address` to serve on")
	fs.StringVar(&c.TLSCert, "tls-cert", "", "certificate chain `file` (PEM); required off loopback unless behind a trusted proxy")
	fs.StringVar(&c.TLSKey, "tls-key", "", "private key `file` (PEM)")
	fs.BoolVar(&c.TrustedProxy, "trusted-proxy", false, "a reverse proxy on this host or in a private network ends TLS: serve plain HTTP on any address and believe its X-Forwarded-For")
	fs.StringVar(&c.Catalog, "catalog", "", "postgres://… or sqlite:PATH (default: SQLite in the data folder)")
	fs.StringVar(&c.S3Endpoint, "s3-endpoint", "", "`host:port` of an S3 service with Object Lock (default: the embedded one)")
	fs.StringVar(&c.S3AccessKey, "s3-access-key", "", "access key of the S3 service")
	fs.StringVar(&c.S3SecretFile, "s3-secret-file", "", "`file` with the secret key of the S3 service")
	fs.StringVar(&c.S3Region, "s3-region", "us-east-1", "region of the S3 service")
	fs.BoolVar(&c.S3Secure, "s3-secure", true, "speak HTTPS to the S3 service")
	fs.StringVar(&c.S3CAFile, "s3-ca-file", "", "CA certificates `file` (PEM) of the S3 service")
	fs.StringVar(&c.S3BucketPrefix, "s3-bucket-prefix", "bestand", "buckets are PREFIX-TENANT and PREFIX-staging")
	fs.DurationVar(&c.S3Timeout, "s3-timeout", 5*time.Minute, "how long the S3 service may make no progress while content moves; the answer to a large upload waits for its disks")
	fs.StringVar(&c.CopyEndpoint, "copy-endpoint", "", "`host:port` of another S3 service with Object Lock, which gets a second copy of everything (default: there is none)")
	fs.StringVar(&c.CopyAccessKey, "copy-access-key", "", "access key of the second copy")
	fs.StringVar(&c.CopySecretFile, "copy-secret-file", "", "`file` with the secret key of the second copy")
	fs.StringVar(&c.CopyRegion, "copy-region", "us-east-1", "region of the second copy")
	fs.BoolVar(&c.CopySecure, "copy-secure", true, "speak HTTPS to the second copy")
	fs.StringVar(&c.CopyCAFile, "copy-ca-file", "", "CA certificates `file` (PEM) of the second copy")
	fs.StringVar(&c.CopyBucketPrefix, "copy-bucket-prefix", "bestand", "buckets of the second copy are PREFIX-TENANT")
	fs.BoolVar(&c.CopyGone, "copy-gone", false, "the second copy that there was, but for the one that --copy-endpoint names, is gone for good, with all that was in it: destructions need not wait for it any more")
	fs.StringVar(&c.LockMode, "lock-mode", string(preservation.Compliance), "Object Lock of new objects: COMPLIANCE, or GOVERNANCE for pilots, which an approved destruction need not wait for")
	fs.IntVar(&c.LockHorizon, "lock-horizon", 90, "`days` that objects are locked ahead; extended while the record is kept")
	fs.IntVar(&c.LockShort, "lock-short", 14, "`days` of lock for records past their retention end, or without a known one, until somebody decides")
	fs.IntVar(&c.ScrubPeriod, "scrub-period", 90, "`days` in which everything stored is read back once and compared")
	fs.Int64Var(&c.ScrubRate, "scrub-rate", 16<<20, "most `bytes` per second that are read for that")
	fs.StringVar(&c.SealKey, "seal-key", "", "PKCS#12 `file` with the seal key and its certificates (default: a self-made, not qualified one)")
	fs.StringVar(&c.SealPassword, "seal-password-file", "", "`file` with the password of the seal key")
	fs.StringVar(&c.SealModule, "seal-pkcs11-module", "", "PKCS#11 `library` of the hardware module or token that has the seal key, instead of --seal-key")
	fs.StringVar(&c.SealToken, "seal-pkcs11-token", "", "`label` of the token in it")
	fs.StringVar(&c.SealLabel, "seal-pkcs11-key", "", "`label` of the key on the token: RSA, or EC on P-256, P-384 or P-521")
	fs.StringVar(&c.SealPIN, "seal-pkcs11-pin-file", "", "`file` with the PIN of the token")
	fs.StringVar(&c.SealChain, "seal-chain", "", "`file` (PEM) with the certificate of the seal key and those of its issuers, as far as the token does not have them")
	fs.BoolVar(&c.SealPSS, "seal-pss", false, "seal by RSASSA-PSS with an RSA key, instead of PKCS #1 v1.5; a key in a PKCS#11 module that allows nothing else does so by itself")
	fs.Int64Var(&c.SealMaxBytes, "seal-max-bytes", 256<<20, "PDF files above this size in `bytes` get no seal of their own; the package's seal covers them")
	fs.StringVar(&c.TSAURL, "tsa-url", "", "RFC 3161 time-stamping service `URL`, or several in the order of preference with commas between (default: the embedded, not qualified one)")
	fs.StringVar(&c.TSAUser, "tsa-user", "", "user name at the time-stamping service, or one for each with commas between")
	fs.StringVar(&c.TSAPassword, "tsa-password-file", "", "`file` with the password at the time-stamping service, or one for each in lines")
	fs.StringVar(&c.TrustFile, "trust-file", "", "`file` (PEM) with the roots of the time-stamping service and of former seals, against which everything is verified")
	fs.StringVar(&c.Digest, "evidence-digest", crypto.SHA256.String(), "digest `algorithm` of new evidence: "+strings.Join(digestNames(), ", ")+"; a better one takes over in time when it ends")
	fs.StringVar(&c.Algorithms, "algorithms", "", "`file` (JSON) with a newer table of algorithms and their ends than the program's own")
	fs.StringVar(&c.Accessibility, "accessibility-file", "", "`file` (Markdown) with what the accessibility statement has to say of this installation (BITV 2.0 §7): whom to write to, the day it was prepared, the enforcement body")
	fs.StringVar(&c.PublicURL, "public-url", "", "`URL` under which people reach the pages, such as https://archiv.example.de (default: that of the request)")
	fs.StringVar(&c.OIDCIssuer, "oidc-issuer", "", "`URL` of the OpenID provider by which people can log in (default: none; all have passwords here). It sends them back to PUBLIC-URL/anmelden/dienst/antwort")
	fs.StringVar(&c.OIDCClientID, "oidc-client-id", "", "`name` of this archive at the OpenID provider")
	fs.StringVar(&c.OIDCClientSecret, "oidc-client-secret-file", "", "`file` with its secret there (default: a public client)")
	fs.StringVar(&c.OIDCRoles, "oidc-roles-file", "", "YAML `file` that gives roles to values of the claim, in lines such as: Stadtarchiv: {musterstadt: [archivist]}")
	fs.StringVar(&c.OIDCClaim, "oidc-claim", "roles", "`claim` of the ID token that tells roles, or groups; a path with dots, such as realm_access.roles")
	fs.StringVar(&c.OIDCScopes, "oidc-scopes", "profile", "`scopes` to ask the OpenID provider for besides openid, with commas between")
	fs.StringVar(&c.OIDCCAFile, "oidc-ca-file", "", "CA certificates `file` (PEM) of the OpenID provider")
	fs.StringVar(&c.Clamd, "clamd", "", "malware scanner: unix:PATH or tcp:HOST:PORT (default: none, recorded as not scanned)")
	fs.StringVar(&c.VeraPDF, "verapdf", "", "`folder` of the veraPDF sidecar (default: where the set-up script puts it)")
	fs.BoolVar(&c.OCR, "ocr", false, "read the text of scans for search (tesseract, German)")
	fs.IntVar(&c.Workers, "workers", max(1, runtime.NumCPU()), "submissions that are converted and checked at a time")
	fs.Int64Var(&c.MaxUpload, "max-upload", 1<<40, "most `bytes` of one submission")
	fs.IntVar(&c.MaxFiles, "max-files", ingest.MaxFiles, "most files of one submission")
	fs.StringVar(&c.LogLevel, "log-level", "info", "debug, info, warn or error")
	fs.BoolVar(&c.LogJSON, "log-json", false, "log JSON lines instead of text")
	fs.IntVar(&c.Grace, "dispose-grace", 7, "`days` that an approved disposal run waits before it begins, unless the order says otherwise")
	fs.IntVar(&c.BackupDays, "backup-days", 0, "`days` after which every backup of this installation is gone; certificates of destruction say so (0: not known)")
	fs.Float64Var(&c.DisposeMax, "dispose-max-share", 0.1, "share of the holding, above 0 and at most 1 (never), above which a destruction run stops itself and asks; one over at most --dispose-floor records never does")
	fs.IntVar(&c.Floor, "dispose-floor", 100, "`records` up to which a destruction run does not stop itself, whatever their share or the runs before")
	fs.Float64Var(&c.Jump, "dispose-max-jump", 10, "how many times as many `records` as the largest of the last 20 disposal runs one may destroy without stopping itself and asking; counts once 3 of them are completed")
}

// loadConfig reads file, environment and flags. The flags of a command that are
// not configuration are registered on fs before.
func loadConfig(fs *flag.FlagSet, args []string) (*Config, error) {
	c := &Config{}
	c.flags(fs)
	file := fs.String("config", os.Getenv("BESTAND_CONFIG"), "YAML `file` with the same names")
	var known []string
	fs.VisitAll(func(f *flag.Flag) { known = append(known, f.Name) })

	// The flags are parsed twice: first to learn the file, in the end to overrule it.
	if err := parse(fs, args); err != nil {
		return nil, err
	}
	var problems []error
	if *file != "" {
		values, err := readFile(*file)
		if err != nil {
			return nil, err
		}
		for name, v := range values {
			if !slices.Contains(known, name) {
				problems = append(problems, fmt.Errorf("%s: there is no setting %q", *file, name))
			} else if err := fs.Set(name, v); err != nil {
				problems = append(problems, fmt.Errorf("%s: %s: %w", *file, name, err))
			}
		}
	}
	for _, name := range known {
		env := "BESTAND_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
		if v, ok := os.LookupEnv(env); ok && name != "config" {
			if err := fs.Set(name, v); err != nil {
				problems = append(problems, fmt.Errorf("%s: %w", env, err))
			}
		}
	}
	if err := parse(fs, args); err != nil {
		return nil, err
	}
	if abs, err := filepath.Abs(c.Data); err == nil { // converters run in folders of their own
		c.Data = abs
	}
	return c, errors.Join(append(problems, c.check()...)...)
}

// maxConfig is the most bytes of a configuration file.
const maxConfig = 1 << 20

func readFile(path string) (map[string]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err == nil && len(data) > maxConfig {
		err = fmt.Errorf("more than %d bytes", maxConfig)
	}
	if err != nil {
		return nil, fmt.Errorf("configuration %s: %w", path, err)
	}
	values, err := parseSettings(data)
	if err != nil {
		return nil, fmt.Errorf("configuration %s: %w", path, err)
	}
	return values, nil
}

// parseSettings reads a YAML mapping of names and values. A value counts as it
// is written: what YAML would make of 010, 1e3 or an empty place is not what an
// access key or a folder is called.
func parseSettings(data []byte) (map[string]string, error) {
	var raw map[string]yaml.Node
	if err := yaml.Unmarshal(data, &raw); err != nil {
		return nil, err
	}
	out := map[string]string{}
	var problems []error
	for _, k := range slices.Sorted(maps.Keys(raw)) {
		name, v := strings.ReplaceAll(k, "_", "-"), raw[k]
		n := &v
		if n.Kind == yaml.AliasNode {
			n = n.Alias
		}
		_, twice := out[name]
		switch {
		case n.Kind != yaml.ScalarNode:
			problems = append(problems, fmt.Errorf("%s: one value is wanted, not a list or a mapping", verdict.Legible(name)))
		case n.Tag == "!!null":
			problems = append(problems, fmt.Errorf("%s: has no value; leave the line away, or write \"\"", verdict.Legible(name)))
		case twice:
			problems = append(problems, fmt.Errorf("%s: is there twice, with _ and with -", verdict.Legible(name)))
		}
		out[name] = n.Value
	}
	return out, errors.Join(problems...)
}

// check returns every problem of the values.
func (c *Config) check() []error {
	var out []error
	bad := func(name, format string, args ...any) {
		out = append(out, fmt.Errorf(name+": "+format, args...))
	}
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		bad("listen", "%q is not host:port", c.Listen)
	} else if c.TLSCert == "" && !c.TrustedProxy && !loopback(host) {
		bad("listen", "%s is not a loopback address: give --tls-cert and --tls-key, or --trusted-proxy when a proxy in front ends TLS", c.Listen)
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		bad("tls-cert", "certificate and key belong together")
	}
	if c.S3Endpoint != "" && (c.S3AccessKey == "" || c.S3SecretFile == "") {
		bad("s3-endpoint", "an external S3 service needs --s3-access-key and --s3-secret-file")
	}
	if strings.Contains(c.S3Endpoint, "://") {
		bad("s3-endpoint", "host:port without a scheme; --s3-secure=false is for plain HTTP")
	}
	if !preservation.TenantID(c.S3BucketPrefix).Valid() {
		bad("s3-bucket-prefix", "%q: lower-case letters, digits and hyphens", c.S3BucketPrefix)
	}
	out = append(out, c.checkCopy()...)
	out = append(out, c.checkProvider()...)
	switch preservation.LockMode(c.LockMode) {
	case preservation.Compliance, preservation.Governance:
	default:
		bad("lock-mode", "%q: COMPLIANCE or GOVERNANCE", c.LockMode)
	}
	if c.LockShort < 1 || c.LockHorizon < c.LockShort {
		bad("lock-horizon", "must not be shorter than lock-short, which is at least 1 day")
	}
	if !(c.DisposeMax > 0 && c.DisposeMax <= 1) { // nor NaN
		bad("dispose-max-share", "%g: a share above 0 and at most 1, with which no run stops itself for its share", c.DisposeMax)
	}
	if c.Floor < 1 {
		bad("dispose-floor", "%d: at least 1 record", c.Floor)
	}
	if !(c.Jump >= 1) {
		bad("dispose-max-jump", "%g: at least 1 time", c.Jump)
	}
	if c.Grace < 0 {
		bad("dispose-grace", "%d: at least 0 days, with which a run begins at once", c.Grace)
	}
	if c.BackupDays < 0 {
		bad("backup-days", "%d: at least 0 days, which says that nobody knows", c.BackupDays)
	}
	if c.ScrubPeriod < 1 {
		bad("scrub-period", "at least 1 day")
	}
	if c.ScrubRate < 1<<10 {
		bad("scrub-rate", "at least 1024 bytes per second; what cannot be read within the period shows as the age of the oldest check")
	}
	for _, s := range several(c.TSAURL) {
		if u, err := url.Parse(s); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			bad("tsa-url", "%q is not an http(s) URL", s)
		}
	}
	if users := len(several(c.TSAUser)); users > 0 && users != len(several(c.TSAURL)) {
		bad("tsa-user", "%d names for %d services", users, len(several(c.TSAURL)))
	}
	if c.TSAURL != "" && c.TrustFile == "" {
		bad("trust-file", "with --tsa-url the root certificate of the time-stamping service must be given, else no token can be verified")
	}
	if c.digest() == 0 {
		bad("evidence-digest", "%q: %s", c.Digest, strings.Join(digestNames(), ", "))
	}
	if _, err := verdict.Algorithms(c.Algorithms); err != nil {
		bad("algorithms", "%v", err)
	}
	for name, v := range map[string]string{"seal-pkcs11-token": c.SealToken, "seal-pkcs11-key": c.SealLabel, "seal-pkcs11-pin-file": c.SealPIN} {
		if (v == "") != (c.SealModule == "") {
			bad(name, "module, token, key and PIN of PKCS#11 belong together")
		}
	}
	if c.SealModule != "" && c.SealKey != "" {
		bad("seal-key", "the seal key is in a file or in a PKCS#11 module, not in both")
	}
	if c.SealChain != "" && c.SealModule == "" {
		bad("seal-chain", "is for a key in a PKCS#11 module; a PKCS#12 file has its certificates")
	}
	if c.SealPSS && c.SealModule == "" && c.SealKey == "" {
		bad("seal-pss", "is for an RSA key of --seal-key or --seal-pkcs11-…")
	}
	if c.S3Timeout < time.Second {
		bad("s3-timeout", "at least 1s")
	}
	if c.Workers < 1 {
		bad("workers", "at least 1")
	}
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, c.LogLevel) {
		bad("log-level", "%q: debug, info, warn or error", c.LogLevel)
	}
	for name, path := range map[string]string{"accessibility-file": c.Accessibility, "tls-cert": c.TLSCert, "tls-key": c.TLSKey, "s3-secret-file": c.S3SecretFile, "s3-ca-file": c.S3CAFile,
		"copy-secret-file": c.CopySecretFile, "copy-ca-file": c.CopyCAFile,
		"oidc-client-secret-file": c.OIDCClientSecret, "oidc-ca-file": c.OIDCCAFile,
		"seal-key": c.SealKey, "seal-password-file": c.SealPassword,
		"seal-pkcs11-module": c.SealModule, "seal-pkcs11-pin-file": c.SealPIN, "seal-chain": c.SealChain, "tsa-password-file": c.TSAPassword, "trust-file": c.TrustFile} {
		if path == "" {
			continue
		}
		if _, err := os.Stat(path); err != nil {
			bad(name, "%v", err)
		}
	}
	return out
}

// checkCopy returns the problems of the second copy.
func (c *Config) checkCopy() (out []error) {
	bad := func(name, format string, args ...any) {
		out = append(out, fmt.Errorf(name+": "+format, args...))
	}
	if c.CopyEndpoint == "" {
		if c.CopyAccessKey != "" || c.CopySecretFile != "" {
			bad("copy-endpoint", "keys of a second copy are given and no endpoint")
		}
		return out
	}
	if c.CopyAccessKey == "" || c.CopySecretFile == "" {
		bad("copy-endpoint", "a second copy needs --copy-access-key and --copy-secret-file")
	}
	if strings.Contains(c.CopyEndpoint, "://") {
		bad("copy-endpoint", "host:port without a scheme; --copy-secure=false is for plain HTTP")
	}
	if !preservation.TenantID(c.CopyBucketPrefix).Valid() {
		bad("copy-bucket-prefix", "%q: lower-case letters, digits and hyphens", c.CopyBucketPrefix)
	}
	if c.CopyEndpoint == c.S3Endpoint && c.CopyBucketPrefix == c.S3BucketPrefix {
		bad("copy-endpoint", "these are the buckets of the archive itself: a second copy belongs to another place")
	}
	return out
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// proxies are the addresses that a trusted proxy may have: this host's and those
// of private networks.
func (c *Config) proxies() []netip.Prefix {
	if !c.TrustedProxy {
		return nil
	}
	var out []netip.Prefix
	for _, p := range []string{"127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"} {
		out = append(out, netip.MustParsePrefix(p))
	}
	return out
}

// digest is the algorithm of new evidence, 0 when there is none of the name.
func (c *Config) digest() crypto.Hash {
	for _, h := range proof.Digests() {
		if h.String() == c.Digest {
			return h
		}
	}
	return 0
}

func digestNames() (names []string) {
	for _, h := range proof.Digests() {
		names = append(names, h.String())
	}
	return names
}

// several splits a setting that may have several values.
func several(v string) []string {
	if v == "" {
		return nil
	}
	all := strings.Split(v, ",")
	for i := range all {
		all[i] = strings.TrimSpace(all[i])
	}
	return all
}

// copyPlace is where the second copy is; empty when there is none.
func (c *Config) copyPlace() string {
	if c.CopyEndpoint == "" {
		return ""
	}
	return c.CopyEndpoint + "/" + c.CopyBucketPrefix
}

// path is a place in the data folder.
func (c *Config) path(name string) string { return filepath.Join(c.Data, name) }

// readSecret reads a file with one secret line; no file gives no secret.
func readSecret(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	b, err := os.ReadFile(path)
	return strings.TrimSpace(string(b)), err
}

func configCommand(_ context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 || args[0] != "check" {
		return usageError{errors.New("want: bestand config check [flags]")}
	}
	fs := flags("config check", stderr)
	c, err := loadConfig(fs, args[1:])
	if c != nil {
		fs.VisitAll(func(f *flag.Flag) {
			v := f.Value.String()
			if slices.Contains(secret, f.Name) && v != "" {
				v = "(set)"
			}
			if f.Name == "catalog" {
				if u, err := url.Parse(v); err == nil {
					v = u.Redacted()
				}
			}
			fmt.Fprintf(stdout, "%s: %s\n", f.Name, v)
		})
	}
	return err
}
