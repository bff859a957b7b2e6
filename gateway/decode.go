package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	maxBody      = 64 << 10 // of a JSON body
	maxArrayBody = 2 << 20  // of an array of positions
)

// decode reads the JSON body of r into v. It is stricter than encoding/json:
// unknown fields, trailing data, and strings that Go's decoder would mend
// silently are refused, so that nothing is understood otherwise than meant.
func decode(w http.ResponseWriter, r *http.Request, v any) error {
	body, err := readBody(w, r, maxBody)
	if err != nil {
		return err
	}
	return unmarshal(body, v)
}

// readBody returns the body of a request that may carry JSON.
func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	if err := checkContentType(r.Header.Get("Content-Type")); err != nil {
		return nil, err
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, bodyTooLarge(limit)
	case err != nil:
		return nil, badRequest("incomplete_body", "the body ended early or arrived too slowly")
	}
	return body, nil
}

func bodyTooLarge(limit int64) *problem {
	return newProblem(http.StatusRequestEntityTooLarge, "body_too_large",
		fmt.Sprintf("the body is larger than %d bytes", limit))
}

func checkContentType(header string) error {
	if header == "" {
		return nil // counts as JSON
	}
	mediaType, _, err := mime.ParseMediaType(header)
	if err == nil && (mediaType == "application/json" || strings.HasSuffix(mediaType, "+json")) {
		return nil
	}
	p := newProblem(http.StatusUnsupportedMediaType, "unsupported_media_type", "the body must be application/json")
	if mediaType == "application/x-www-form-urlencoded" {
		return p.withHint(`curl -d sends a form: use curl --json '…', or add -H 'Content-Type: application/json'`)
	}
	return p.withHint("send Content-Type: application/json")
}

func unmarshal(body []byte, v any) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return badRequest("empty_body", "the body is empty").withHint("send a JSON object")
	}
	if err := checkText(body); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return decodeProblem(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return badRequest("invalid_json", "there is more after the JSON value")
	}
	return nil
}

func decodeProblem(err error) error {
	var known *problem
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &syntax):
		return badRequest("invalid_json", fmt.Sprintf("the body is no JSON: %v, at byte %d", syntax, syntax.Offset))
	case errors.As(err, &kind):
		return badRequest("wrong_type", fmt.Sprintf("%s must be %s, not %s", fieldName(kind.Field), jsonType(kind), kind.Value))
	case errors.Is(err, io.ErrUnexpectedEOF):
		return badRequest("invalid_json", "the body ends in the middle of its JSON")
	}
	if field, found := strings.CutPrefix(err.Error(), "json: unknown field "); found { // has no type of its own
		if name, err := strconv.Unquote(field); err == nil {
			field = name
		}
		return badRequest("unknown_field", fmt.Sprintf("unknown field %q", field))
	}
	return badRequest("invalid_json", "the body cannot be read as what this endpoint expects")
}

// fieldName is a field as the client knows it: encoding/json puts the Go names
// of embedded structs in front.
func fieldName(path string) string {
	if path == "" {
		return "the body"
	}
	return path[strings.LastIndexByte(path, '.')+1:]
}

func jsonType(err *json.UnmarshalTypeError) string {
	switch err.Type.Kind().String() {
	case "float64", "float32", "int", "int64":
		return "a number"
	case "string":
		return "a string"
	case "bool":
		return "true or false"
	case "slice":
		return "an array"
	}
	return "an object"
}

// checkText refuses what encoding/json replaces by U+FFFD without a word:
// invalid UTF-8 and lone surrogates. It refuses NUL as well, which no name,
// address or id has a use for.
func checkText(body []byte) error {
	if !utf8.Valid(body) {
		return badRequest("invalid_utf8", "the body is not valid UTF-8")
	}
	for i := bytes.IndexByte(body, '\\'); i >= 0 && i+1 < len(body); {
		width := 2
		if body[i+1] == 'u' {
			unit, ok := hexUnit(body[i:])
			switch {
			case !ok: // a syntax error, which the decoder tells better
			case unit == 0:
				return badRequest("invalid_text", "a string holds a NUL character")
			case unit >= 0xDC00 && unit <= 0xDFFF:
				return badRequest("invalid_utf8", "a string holds half a surrogate pair")
			case unit >= 0xD800 && unit <= 0xDBFF:
				low, ok := hexUnit(body[min(i+6, len(body)):])
				if !ok || low < 0xDC00 || low > 0xDFFF {
					return badRequest("invalid_utf8", "a string holds half a surrogate pair")
				}
				width = 12
			}
		}
		next := bytes.IndexByte(body[min(i+width, len(body)):], '\\')
		if next < 0 {
			break
		}
		i += width + next
	}
	return nil
}

// hexUnit reads the \uXXXX that b starts with.
func hexUnit(b []byte) (uint64, bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	unit, err := strconv.ParseUint(string(b[2:6]), 16, 16)
	return unit, err == nil
}

// ident is an id that clients may write as a string or as a whole number. It
// is a string from then on.
type ident string

func (id *ident) UnmarshalJSON(data []byte) error {
	if data[0] == '"' {
		return json.Unmarshal(data, (*string)(id))
	}
	digits := strings.TrimPrefix(string(data), "-")
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return badRequest("wrong_type", "an id must be a string or a whole number")
	}
	*id = ident(data)
	return nil
}
