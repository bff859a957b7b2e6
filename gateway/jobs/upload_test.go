package jobs_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"geogate/gateway/exchange"
	"geogate/internal/bulk"
)

func TestUploadForms(t *testing.T) {
	form := func(parts ...string) (contentType, body string) {
		var b bytes.Buffer
		w := multipart.NewWriter(&b)
		for _, part := range parts {
			name, value, _ := strings.Cut(part, "=")
			var err error
			if fileName, isFile := strings.CutPrefix(name, "file:"); isFile {
				var f io.Writer
				f, err = w.CreateFormFile("file", fileName)
				if err == nil {
					_, err = io.WriteString(f, value)
				}
			} else {
				err = w.WriteField(name, value)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return w.FormDataContentType(), b.String()
	}
	j := newJobsFixture(t, bulk.Config{MaxBytes: 1000, MaxRows: 100})
	tests := []struct {
		name, target, contentType, body string
		status                          int
		want                            string // asked columns or the code of the problem
	}{
		{"csv", "", "text/csv", threeTowns, 200, "address"},
		{"csv with charset", "", "text/csv; charset=windows-1252", "ort;strasse\nZ\xFCrich;x\n", 200, "ort guessed"},
		{"address in another language", "", "text/csv", "Ort;Anschrift\nVaduz;x\n", 200, "Anschrift"},
		{"one column", "&q=id", "text/csv", threeTowns, 200, "id"},
		{"several columns", "&columns=address,id", "text/csv", threeTowns, 200, "address,id"},
		{"reverse", "&mode=reverse", "text/csv", "name,lng,lat\nx,9.5,47.1\n", 200, "lat,lng"},
		{"header denied", "&header=0&columns=2", "text/csv", threeTowns, 200, "column_2"},
		{"ndjson", "", "application/x-ndjson", `{"query":"Vaduz"}`, 200, "query"},
		{"form", "", "form", "file:a.csv=" + threeTowns, 200, "address"},
		{"form with fields", "", "form", "q=id\nlanguage=\nfile:a.csv=" + threeTowns, 200, "id"},
		{"form with ndjson", "", "form", "file:a.jsonl={\"q\":\"x\"}", 200, "q"},
		{"form of unknown type", "", "form", "file:a=" + `{"q":"x"}`, 200, "q"},

		{"curl without a header", "", "application/x-www-form-urlencoded", threeTowns, 415, "unsupported_media_type"},
		{"json", "", "application/json", "{}", 415, "unsupported_media_type"},
		{"nothing said", "", "", threeTowns, 415, "unsupported_media_type"},
		{"compressed", "", "text/csv\nContent-Encoding: gzip", threeTowns, 415, "unsupported_encoding"},
		{"form without file", "", "form", "q=id", 400, "missing_file"},
		{"form with a strange field", "", "form", "x=y\nfile:a.csv=" + threeTowns, 400, "unknown_field"},
		{"form that ends early", "", "multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; na", 400, "missing_file"},
		{"unknown parameter", "&colums=id", "text/csv", threeTowns, 400, "unknown_parameter"},
		{"unknown mode", "&mode=forward", "text/csv", threeTowns, 400, "invalid_mode"},
		{"limit", "&limit=51", "text/csv", threeTowns, 400, "invalid_limit"},
		{"switch", "&header=maybe", "text/csv", threeTowns, 400, "invalid_switch"},
		{"columns twice", "&q=id&columns=id", "text/csv", threeTowns, 400, "columns_twice"},
		{"unknown column", "&q=ort", "text/csv", threeTowns, 400, "unknown_column"},
		{"no rows", "", "text/csv", "", 400, "no_rows"},
		{"a spreadsheet", "", "form", "file:a.xlsx=PK\x03\x04", 400, "not_text"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.contentType == "form" {
				tt.contentType, tt.body = form(strings.SplitN(tt.body, "\n", strings.Count(tt.body[:strings.Index(tt.body+"file:", "file:")], "\n")+1)...)
			}
			headers := strings.Split("Content-Type: "+tt.contentType, "\n")
			res := j.Do(t, "POST /v2/jobs?preview=1"+tt.target, tt.body, headers...)
			var got struct {
				Asked   []string
				Guessed bool
				Code    string
			}
			res.JSON(t, &got)
			told := strings.Join(got.Asked, ",") + got.Code
			if got.Guessed {
				told += " guessed"
			}
			if res.StatusCode != tt.status || told != tt.want {
				t.Errorf("%d %s, want %d %s", res.StatusCode, res.Text, tt.status, tt.want)
			}
		})
	}
	for name, body := range map[string]string{"bytes": strings.Repeat("x", 1001), "rows": strings.Repeat("x\n", 102)} {
		res := j.Do(t, "POST /v2/jobs", body, "Content-Type: text/csv")
		var p exchange.Problem
		res.JSON(t, &p)
		if res.StatusCode != 413 || p.Code != "upload_too_large" || !strings.Contains(p.Detail, name) {
			t.Errorf("too many %s: %d %s", name, res.StatusCode, res.Text)
		}
	}
	if keys := j.Keys(t); slices.ContainsFunc(keys, func(k string) bool { return strings.Contains(k, ":job") }) {
		t.Errorf("refused uploads and previews left %v", keys)
	}
}

// A client that sends and then stands still is told so, and nothing stays.
func TestUploadThatIsCutOff(t *testing.T) {
	j := newJobsFixture(t, bulk.Config{})
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", j.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	fmt.Fprintf(conn, "POST /v2/jobs HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\nContent-Length: 1000\r\n\r\n%s", threeTowns)
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != 400 || !strings.Contains(string(text), "incomplete_body") {
		t.Errorf("%d %s, %v", res.StatusCode, text, err)
	}
	if keys := j.Keys(t); slices.ContainsFunc(keys, func(k string) bool { return strings.Contains(k, ":job") }) {
		t.Errorf("left: %v", keys)
	}
}
