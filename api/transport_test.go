package api

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"bestand/api/auth"
	"bestand/preservation/catalog"
)

// dial opens a bare connection.
func (a *archive) dial() net.Conn {
	a.Helper()
	conn, err := net.Dial("tcp", a.web.Listener.Addr().String())
	if err != nil {
		a.Fatal(err)
	}
	a.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(time.Minute))
	return conn
}

// raw sends bytes and returns the statuses of the answers. When the connection is
// cut it ends behind them.
func (a *archive) raw(text string, cut bool) (statuses []int) {
	a.Helper()
	conn := a.dial()
	go func() { // the answer may come before the end
		io.WriteString(conn, text)
		if cut {
			conn.(*net.TCPConn).CloseWrite()
		}
	}()
	r := bufio.NewReader(conn)
	for {
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			return statuses
		}
		statuses = append(statuses, res.StatusCode)
		if res.StatusCode >= 200 {
			if _, err := io.Copy(io.Discard, res.Body); err != nil {
				return statuses
			}
		}
	}
}

// TestTransport: requests that break the rules of HTTP and of forms. None is
// taken in, none is our fault, and nothing stays of any.
func TestTransport(t *testing.T) {
	t.Parallel()
	a := newArchive(t)
	dms := a.token(ours, "dms", auth.Submitter)
	body, contentType := formOf(metadataPart(metadata("1")), filePart("a.txt", "content"))
	form := body.String()
	_, boundary, _ := strings.Cut(contentType, "boundary=")
	head := "POST /v1/submissions HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer " + dms + "\r\nContent-Type: " + contentType + "\r\n"
	length := func(n int) string { return fmt.Sprintf("Content-Length: %d\r\n\r\n", n) }
	chunk := func(s string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(s), s) }
	part := func(header string) string {
		return strings.Replace(form, `Content-Disposition: form-data; name="file"`, header+`Content-Disposition: form-data; name="file"`, 1)
	}
	whole := func(form string) string { return head + length(len(form)) + form }
	for name, c := range map[string]struct {
		text string
		want string
	}{
		"cut: length too great":          {head + length(len(form)) + form[:len(form)-8], "[400]"},
		"cut in a file":                  {head + length(len(form)) + form[:strings.Index(form, "content")+3], "[400]"},
		"length too small":               {head + length(len(form)-5) + form, "[400]"},
		"length twice":                   {head + "Content-Length: 1\r\n" + length(len(form)) + form, "[400]"},
		"length below zero":              {head + length(-1) + form, "[400]"},
		"chunk of no number":             {head + "Transfer-Encoding: chunked\r\n\r\n" + chunk(form[:90]) + "zz\r\nabc\r\n", "[400]"},
		"chunk longer than it says":      {head + "Transfer-Encoding: chunked\r\n\r\n" + chunk(form[:90]) + "3\r\nabcdef\r\n", "[400]"},
		"chunk of endless number":        {head + "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat("f", 40) + "\r\n", "[400]"},
		"cut between chunks":             {head + "Transfer-Encoding: chunked\r\n\r\n" + chunk(form[:90]), "[400]"},
		"unknown transfer encoding":      {head + "Transfer-Encoding: gzip, chunked\r\n\r\n" + chunk(form) + "0\r\n\r\n", "[501]"},
		"no final boundary":              {whole(strings.TrimSuffix(form, "--"+boundary+"--\r\n")), "[400]"},
		"boundary that never comes":      {whole(strings.ReplaceAll(form, boundary, "other")), "[400]"},
		"boundary without a name":        {strings.Replace(head, "boundary=", "b=", 1) + length(len(form)) + form, "[400]"},
		"part header without an end":     {whole(form[:strings.Index(form, "\r\n\r\n")+1]), "[400]"},
		"huge part header":               {whole(part("X: " + strings.Repeat("x", 11<<20) + "\r\n")), "[400]"},
		"very many part headers":         {whole(part(strings.Repeat("X: x\r\n", 20_000))), "[400]"},
		"name of 8 KiB":                  {whole(strings.Replace(form, "a.txt", strings.Repeat("a", 8<<10), 1)), "[422]"},
		"encoded part":                   {whole(part("Content-Transfer-Encoding: base64\r\n")), "[400]"},
		"packed body":                    {head + "Content-Encoding: gzip\r\n" + length(len(form)) + form, "[415]"},
		"header line of 100 KiB":         {head + "X: " + strings.Repeat("x", 100<<10) + "\r\n" + length(len(form)) + form, "[431]"},
		"no HTTP at all":                 {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "[400]"},
		"nobody known, and 100-continue": {strings.Replace(head, dms, "x", 1) + "Expect: 100-continue\r\n" + length(len(form)), "[401]"},
	} {
		if got := fmt.Sprint(a.raw(c.text, strings.HasPrefix(name, "cut"))); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	a.nothingStaged()
	if all, err := a.db.Tenant(ours).Submissions(t.Context(), catalog.SubmissionFilter{}, "", 10); err != nil || len(all) > 0 {
		t.Errorf("taken in: %+v %v", all, err)
	}
	if strings.Contains(a.log.String(), `"level":"ERROR"`) {
		t.Errorf("logged as our fault:\n%s", a.log)
	}

	// What is unusual and right.
	if got := fmt.Sprint(a.raw(head+"Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n"+chunk(form[:90])+chunk(form[90:])+"0\r\nTrailer: x\r\n\r\n", false)); got != "[100 202]" {
		t.Errorf("chunks: %s", got)
	}
	get := "GET /v1/submissions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " + dms + "\r\n\r\n"
	if got := fmt.Sprint(a.raw(strings.Repeat(get, 3)+strings.Replace(head, "Connection: close\r\n", "", 1)+length(len(form))+form+"GET /v1/nothing HTTP/1.1\r\nHost: a\r\n\r\n"+strings.Replace(get, "Host", "Connection: close\r\nHost", 1), false)); got != "[200 200 200 200 404 200]" {
		t.Errorf("pipelined: %s", got)
	}
	content := "x--" + boundary + "--\r\n\r\n--" + boundary[:len(boundary)-1] + "\r\n--" + boundary + "x\n--" + boundary + "\r\n-"
	form = strings.Replace(strings.Replace(form, `"1"`, `"2"`, 1), "content\r\n", content+"\r\n", 1)
	if got := fmt.Sprint(a.raw(whole(form), false)); got != "[202]" {
		t.Fatalf("boundaries inside: %s", got)
	}
	sub, err := a.db.Tenant(ours).SubmissionBySource(t.Context(), "dms-bauamt", "2")
	if err == nil {
		sub, err = a.db.Tenant(ours).Submission(t.Context(), sub.ID)
	}
	if want, _ := digest(strings.NewReader(content)); err != nil || len(sub.Files) != 1 || sub.Files[0].Digests != want {
		t.Errorf("a file with boundaries inside: %+v %v", sub.Files, err)
	}
}

// TestRefusedEarly: a sender that is still sending when the metadata are refused gets the
// whole text of the refusal.
func TestRefusedEarly(t *testing.T) {
	t.Parallel()
	a := newArchive(t)
	dms := a.token(ours, "dms", auth.Submitter)
	body, contentType := formOf(metadataPart(metadata("1", "class", "77.77")), filePart("a.bin", "content"))
	form, _, _ := strings.Cut(body.String(), "content\r\n")
	conn := a.dial()
	go func() { // until the archive has enough of it
		fmt.Fprintf(conn, "POST /v1/submissions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", dms, contentType, 1<<30, form)
		for some := make([]byte, 1<<10); ; time.Sleep(time.Millisecond) {
			if _, err := conn.Write(some); err != nil {
				return
			}
		}
	}()
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var p Problem
	if err := json.NewDecoder(res.Body).Decode(&p); err != nil || res.StatusCode != 422 || len(p.Errors) != 1 || p.Errors[0].Field != "class" ||
		!strings.Contains(p.Errors[0].Detail, `class "77.77" is not in the classification`) {
		t.Errorf("%d %+v, %v", res.StatusCode, p, err)
	}
	a.nothingStaged()
}

// TestConnections: whoever holds connections open keeps nobody out, and nobody
// who is at work is cut off.
func TestConnections(t *testing.T) {
	t.Parallel()
	a := newArchive(t)
	dms := a.token(ours, "dms", auth.Submitter)
	limit := newConnections()
	limit.max = 20
	a.web.Close()
	a.web = httptest.NewUnstartedServer(a.server)
	a.web.Config.ConnContext, a.web.Config.ConnState = limit.begin, nil
	a.web.Config.ConnState = limit.changed
	a.web.Start()
	t.Cleanup(a.web.Close)

	// One sends slowly all the while.
	body, contentType := formOf(metadataPart(metadata("1")), filePart("a.txt", "content"))
	slow := a.dial()
	fmt.Fprintf(slow, "POST /v1/submissions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", dms, contentType, body.Len())
	slow.Write(body.Next(20))
	time.Sleep(200 * time.Millisecond)
	var idle []net.Conn
	for i := range 100 {
		conn := a.dial()
		switch i % 3 {
		case 1:
			io.WriteString(conn, "GET /v1/records HTTP/1.1\r\nHost: a\r\nX:")
		case 2:
			io.WriteString(conn, "GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n")
		}
		idle = append(idle, conn)
		if i%20 == 0 {
			a.do(dms, "GET", "/v1/submissions", nil).want(t, 200)
		}
	}
	io.Copy(slow, body)
	if res, err := http.ReadResponse(bufio.NewReader(slow), nil); err != nil || res.StatusCode != 202 {
		t.Errorf("who was at work: %v %v", res, err)
	}
	limit.mu.Lock()
	if len(limit.open) > limit.max {
		t.Errorf("%d connections are open", len(limit.open))
	}
	limit.mu.Unlock()
	if _, err := io.Copy(io.Discard, idle[0]); err != nil && strings.Contains(err.Error(), "timeout") {
		t.Error("the oldest idle connection is still open")
	}
}

// TestHTTP2 resets streams as fast as it can, as an attack of 2023 did, and wants
// others to be served meanwhile.
func TestHTTP2(t *testing.T) {
	t.Parallel()
	a := newArchive(t)
	dms := a.token(ours, "dms", auth.Submitter)
	a.web.Close()
	a.web = httptest.NewUnstartedServer(a.server)
	a.web.Config = HTTPServer(a.server, a.server.s.log)
	a.web.EnableHTTP2 = true
	a.web.StartTLS()
	t.Cleanup(a.web.Close)

	conn, err := tls.Dial("tcp", a.web.Listener.Addr().String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	io.WriteString(conn, http2.ClientPreface)
	f := http2.NewFramer(conn, conn)
	if err := f.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	go io.Copy(io.Discard, conn)
	var wg sync.WaitGroup
	wg.Go(func() {
		var block bytes.Buffer
		enc := hpack.NewEncoder(&block)
		for i := range uint32(20_000) {
			block.Reset()
			for _, h := range [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", "a"}, {":path", "/v1/submissions"}, {"authorization", "Bearer " + dms}} {
				enc.WriteField(hpack.HeaderField{Name: h[0], Value: h[1]})
			}
			if f.WriteHeaders(http2.HeadersFrameParam{StreamID: 2*i + 1, BlockFragment: block.Bytes(), EndStream: true, EndHeaders: true}) != nil ||
				f.WriteRSTStream(2*i+1, http2.ErrCodeCancel) != nil {
				return // the server has had enough
			}
		}
	})
	for i := range 5 {
		v := a.submit(dms, metadataPart(metadata(fmt.Sprint(i))), filePart("a.txt", "a")).want(t, 202)
		if v.ProtoMajor != 2 {
			t.Errorf("over %s", v.Proto)
		}
	}
	wg.Wait()
	a.do(dms, "GET", "/v1/submissions", nil).want(t, 200)
}
