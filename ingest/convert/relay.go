package convert

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// ChildArg as the first argument makes the program the child of a conversion:
// main passes what follows to Child and exits with its code.
const ChildArg = "convert-child"

// Child keeps LibreOffice running inside of the sandbox.
func Child(args []string, stdin io.Reader, stdout io.Writer) (exitCode int) {
	if len(args) != 2 || args[0] != relayArg {
		fmt.Fprintln(os.Stderr, "this command is for the program itself")
		return 2
	}
	if err := relay(args[1], stdin, stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// relayArg is the first argument of a child that keeps LibreOffice running.
const relayArg = "office"

// order asks the relay for one document: file names below its working folder.
type order struct {
	Document string // to be read
	Out      string // folder for the PDF, which gets the document's name
	Filter   string // of the export, with its options
	InFilter string `json:",omitempty"`
}

// What the relay says on its standard output, a line each.
const (
	relayReady = "ready" // LibreOffice listens
	relayDone  = "done"  // it is through with the document; whether there is a PDF is another matter
)

// relay runs LibreOffice inside of the sandbox and passes orders on to it, the way
// a second call of soffice does that finds another one running: both ways of
// converting are the same code of LibreOffice. It ends with its input.
//
// The profile lies in the working folder; LibreOffice gets a copy in memory,
// because it waits for the disk with everything that it writes there.
func relay(program string, in io.Reader, out io.Writer) error {
	home := os.Getenv("HOME")
	if err := os.CopyFS(filepath.Join(home, "profile"), os.DirFS("profile")); err != nil {
		return err
	}
	// An open document, or LibreOffice would end after the first conversion.
	cmd := exec.Command(program, append(officeFlags(filepath.Join(home, "profile")), "private:factory/swriter")...)
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "LC_ALL=") }),
		"SAL_ENABLE_FILE_LOCKING=1") // as the script soffice has it
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	defer cmd.Process.Kill()
	socket, err := listening(ended)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(out, relayReady); err != nil {
		return err
	}
	here, err := os.Getwd()
	if err != nil {
		return err
	}
	orders := bufio.NewScanner(in)
	for orders.Scan() {
		var o order
		if err := json.Unmarshal(orders.Bytes(), &o); err != nil {
			return err
		}
		args := []string{"--headless", "--convert-to", "pdf:" + o.Filter, "--outdir", filepath.Join(here, o.Out), filepath.Join(here, o.Document)}
		if o.InFilter != "" {
			args = append(args, "--infilter="+o.InFilter)
		}
		if err := instruct(socket, here, args); err != nil {
			select {
			case why := <-ended:
				err = fmt.Errorf("LibreOffice ended (%v): %w", why, err)
			case <-time.After(time.Second):
			}
			return err
		}
		if _, err := fmt.Fprintln(out, relayDone); err != nil {
			return err
		}
	}
	return orders.Err()
}

// listening waits for the socket of LibreOffice. Nobody else has one in this /tmp.
func listening(ended <-chan error) (string, error) {
	for {
		found, _ := filepath.Glob("/tmp/OSL_PIPE_*_SingleOfficeIPC_*") // the pattern is well-formed
		for _, path := range found {
			if c, err := net.Dial("unix", path); err == nil {
				return path, c.Close()
			}
		}
		select {
		case err := <-ended:
			return "", fmt.Errorf("LibreOffice did not start: %w", unexpected(err))
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// instruct hands the arguments of a command line to a running LibreOffice and
// waits until it has done them (desktop/source/app/officeipcthread.cxx).
func instruct(socket, here string, args []string) error {
	c, err := net.Dial("unix", socket)
	if err != nil {
		return err
	}
	defer c.Close()
	r := bufio.NewReader(c)
	if s, err := r.ReadBytes(0); err != nil || !bytes.Equal(s, []byte("InternalIPC::SendArguments\x00")) {
		return fmt.Errorf("greeting %.40q: %w", s, unexpected(err))
	}
	quote := strings.NewReplacer(`\`, `\\`, `,`, `\,`, "\x00", `\0`)
	request := "InternalIPC::Arguments1" + quote.Replace((&url.URL{Scheme: "file", Path: here}).String()) // 1: of this working folder
	for _, a := range args {
		request += "," + quote.Replace(a)
	}
	if _, err := io.WriteString(c, request+"\x00"); err != nil {
		return err
	}
	if s, err := r.ReadBytes(0); err != nil || !bytes.Equal(s, []byte("InternalIPC::ProcessingDone\x00")) {
		return fmt.Errorf("answer %.40q: %w", s, unexpected(err))
	}
	return nil
}

// unexpected is the error, and one that says so where there is none.
func unexpected(err error) error {
	if err == nil {
		return errors.New("unexpected")
	}
	return err
}
