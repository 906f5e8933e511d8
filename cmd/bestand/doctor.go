package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"text/tabwriter"
	"time"

	"bestand/ingest/convert"
	"bestand/ingest/sandbox"
	"bestand/ingest/scan"
	"bestand/ingest/verapdf"
)

// external is an external part, and what the archive loses without it.
type external struct {
	Name    string `json:"name"`
	Found   bool   `json:"found"`
	Version string `json:"version,omitempty"`
	Tested  string `json:"tested,omitempty"` // with this version
	Lost    string `json:"lost_without"`
	Get     string `json:"get"` // how to have it
}

// programs are looked for by asking for their version.
var programs = []struct {
	name, command, version, tested, lost, get string
}{
	{"LibreOffice", "soffice", "--version", "7.4.7", "Office documents, RTF and text get no PDF/A; they are archived as originals and completed later", "libreoffice-writer libreoffice-calc libreoffice-impress libreoffice-draw"},
	{"Ghostscript", "gs", "--version", "10.00", "PDF files that are no PDF/A and lack more than metadata get no rendition", "ghostscript"},
	{"qpdf", "qpdf", "--version", "11.3", "PDF files are not inspected, attachments stay inside", "qpdf"},
	{"poppler", "pdftotext", "-v", "22.12", "no text for search, no plausibility check of renditions", "poppler-utils"},
	{"Chromium", "chromium-headless-shell", "--version", "156", "HTML, e-mail and invoices get no PDF/A, receipts no PDF", "chromium-headless-shell"},
	{"xmllint", "xmllint", "--version", "20914", "XML is not checked", "libxml2-utils"},
	{"msgconvert", "msgconvert", "", "0.921", "Outlook messages get no rendition", "libemail-outlook-message-perl"},
	{"tesseract", "tesseract", "--version", "5.3", "scans have no text for search (only with --ocr)", "tesseract-ocr tesseract-ocr-deu"},
}

func doctorCommand(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := flags("doctor", stderr)
	asJSON := fs.Bool("json", false, "JSON")
	cfg, err := loadConfig(fs, args)
	if err != nil {
		return err
	}
	parts := examine(ctx, cfg)
	missing := 0
	for _, p := range parts {
		if !p.Found {
			missing++
		}
	}
	if *asJSON {
		if err := json.NewEncoder(stdout).Encode(parts); err != nil {
			return err
		}
	} else {
		printParts(stdout, parts)
		if missing == 0 {
			fmt.Fprintln(stdout, "\nEverything is here.")
		} else {
			fmt.Fprintf(stdout, "\n%d parts are missing. deploy/setup.sh installs them on Debian 12; the service runs without them and says in each record what is pending.\n", missing)
		}
	}
	if missing > 0 {
		return exitCode(1)
	}
	return nil
}

func printParts(w io.Writer, parts []external) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, p := range parts {
		if p.Found {
			fmt.Fprintf(tw, "ok\t%s\t%s\n", p.Name, p.Version)
			continue
		}
		fmt.Fprintf(tw, "MISSING\t%s\twithout it: %s\n\t\tto have it: %s\n", p.Name, p.Lost, p.Get)
	}
	tw.Flush()
}

func examine(ctx context.Context, cfg *Config) []external {
	var out []external
	box, err := sandbox.New(ctx)
	p := external{Name: "sandbox", Tested: "bubblewrap 0.8", Lost: "converters are limited but see the network and other files", Get: "apt-get install bubblewrap, and user namespaces"}
	if err == nil {
		p.Version = string(box.Isolation())
		p.Found = box.Isolation() == sandbox.Bubblewrap
	}
	out = append(out, p)
	for _, x := range programs {
		p := external{Name: x.name, Tested: x.tested, Lost: x.lost, Get: "apt-get install " + x.get}
		if path, err := sandbox.LookPath(x.command); err == nil {
			p.Found, p.Version = true, versionOf(ctx, path, x.version)
		}
		out = append(out, p)
	}
	if _, err := sandbox.LookPath("soffice"); err == nil && box != nil {
		out = append(out, examineWarm(ctx, box))
	}
	out = append(out, examinePDFA(ctx, cfg, box), examineScanner(ctx, cfg), examineSeal(ctx, cfg), examineStamps(ctx, cfg))
	return append(out, examineStore(cfg), examineCopy(ctx, cfg), examineProvider(ctx, cfg))
}

// firstVersion finds the version in what a program prints.
var firstVersion = regexp.MustCompile(`\d+(\.\d+)*`)

func versionOf(ctx context.Context, path, arg string) string {
	if arg == "" {
		return "installed"
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	text, err := exec.CommandContext(ctx, path, arg).CombinedOutput()
	if v := firstVersion.FindString(string(text)); v != "" {
		return v
	}
	return fmt.Sprintf("does not run: %v", err)
}

// examineWarm tries whether one LibreOffice can convert all documents of a submission.
func examineWarm(ctx context.Context, box *sandbox.Sandbox) external {
	p := external{Name: "LibreOffice kept running", Lost: "every Office document starts LibreOffice anew, which takes several times as long", Get: "bubblewrap, and LibreOffice as Debian packages it"}
	c := convert.New(convert.Config{Sandbox: box})
	defer c.Close()
	if err := c.Warm(ctx); err != nil {
		p.Lost += "; " + err.Error()
		return p
	}
	p.Found, p.Version = true, "one for the documents of a submission"
	return p
}

func examinePDFA(ctx context.Context, cfg *Config, box *sandbox.Sandbox) external {
	p := external{Name: "veraPDF", Tested: "1.30", Lost: "renditions are marked \"not validated\"", Get: "sh ingest/verapdf/sidecar/install.sh (needs Java 17 and Maven)"}
	if box == nil {
		return p
	}
	v := verapdf.New(verapdf.Config{Sandbox: box, Read: []string{os.TempDir()}, Dir: cfg.VeraPDF})
	defer v.Close()
	version, err := v.Version(ctx)
	p.Found, p.Version = err == nil, version
	if err != nil && v.Installed() == nil {
		p.Lost += "; it is installed and does not start: " + err.Error()
	}
	return p
}

func examineScanner(ctx context.Context, cfg *Config) external {
	p := external{Name: "ClamAV", Tested: "1.4", Lost: "every file is recorded as not scanned", Get: "apt-get install clamav-daemon, then --clamd unix:/run/clamav/clamd.ctl"}
	if cfg.Clamd == "" {
		p.Found, p.Version = true, "not configured (--clamd): files are recorded as not scanned"
		return p
	}
	s, err := scan.New(scan.Config{Address: cfg.Clamd})
	if err != nil {
		p.Lost += "; " + err.Error()
		return p
	}
	a, err := s.Version(ctx)
	p.Found, p.Version = err == nil, a.Version
	if err != nil {
		p.Lost += "; " + err.Error()
		return p
	}
	if tells, err := s.TellsLimits(ctx); err == nil && !tells {
		p.Version += "; it calls clean what its limits kept it from reading: set AlertExceedsMax yes in clamd.conf"
	}
	return p
}

// examineCopy asks the endpoint of the second copy, if there is one.
func examineCopy(ctx context.Context, cfg *Config) external {
	p := external{Name: "second copy", Lost: "what a disaster takes from the object store is lost; no record is destroyed while its copy cannot be reached", Get: "--copy-endpoint: another S3 service with Object Lock, at another place"}
	a := &archive{cfg: cfg, now: time.Now}
	err := a.openSecond()
	switch {
	case err == nil && a.second == nil:
		p.Found, p.Version = true, "not configured (--copy-endpoint): there is one copy"
		return p
	case err == nil:
		ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
		defer cancel()
		_, err = a.second.client.Buckets(ctx)
	}
	if err != nil {
		p.Lost += "; it cannot be reached or refuses the account: " + err.Error()
		return p
	}
	p.Found, p.Version = true, a.second.place
	return p
}

func examineStore(cfg *Config) external {
	p := external{Name: "object store", Found: true, Version: "external: " + cfg.S3Endpoint + " (serve probes it at the start)"}
	if cfg.S3Endpoint == "" {
		p.Version = "embedded: locks are enforced by software, who is root on this host can delete files"
	}
	p.Version = strings.TrimSpace(p.Version)
	return p
}
