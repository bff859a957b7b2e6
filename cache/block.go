package cache

import (
	"strconv"
	"strings"
)

// headerBlock is what an answer always says about its body, as it goes on the wire.
// It is rendered once for each answer, because most answers are hits. The values
// for an http.Header are parts of it, so that both ways out write the same.
type headerBlock struct {
	text   string
	values [3]string // content length, content type, ETag
}

// newHeaderBlock renders the fields in the order in which net/http writes them.
// encoding may be empty. Nothing in it can end a line: see Entry.legible.
func newHeaderBlock(encoding, contentType, etag string, length int) headerBlock {
	var b strings.Builder
	b.Grow(128)
	if encoding != "" {
		b.WriteString("Content-Encoding: " + encoding + "\r\n")
	}
	fields := [...]struct{ name, value string }{
		{"Content-Length: ", strconv.Itoa(length)}, {"Content-Type: ", contentType}, {"Etag: ", etag},
	}
	var ends [len(fields)]int
	for i, f := range fields {
		b.WriteString(f.name + f.value)
		ends[i] = b.Len()
		b.WriteString("\r\n")
	}
	block := headerBlock{text: b.String()}
	for i, f := range fields {
		block.values[i] = block.text[ends[i]-len(f.value) : ends[i]]
	}
	return block
}

func (b *headerBlock) contentLength() []string { return b.values[0:1:1] }
func (b *headerBlock) contentType() []string   { return b.values[1:2:2] }
func (b *headerBlock) etag() []string          { return b.values[2:3:3] }

// maxText bounds each text of an entry that goes into a header or a label.
const maxText = 256

// legible reports whether everything in the entry that goes out apart from the body
// can go there as it is. Whoever can write to Redis, or import, could otherwise put
// lines of their own into the header of an answer.
func (e *Entry) legible() bool {
	if e.Status != 0 && (e.Status < 200 || e.Status > 599) { // 0: not an answer of HTTP
		return false
	}
	for _, text := range [...]string{e.ContentType, e.Provider, e.Outcome, e.ETag} {
		if len(text) > maxText || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
			return false
		}
	}
	return true
}
