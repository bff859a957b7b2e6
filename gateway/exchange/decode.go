package exchange

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxBody is the largest JSON body in bytes.
const MaxBody = 64 << 10

// Decode reads the JSON body of r into v. It is stricter than encoding/json: it
// refuses unknown and repeated fields, takes names to the letter, and refuses
// strings that Go's decoder would mend silently, so that nothing is
// misunderstood.
func Decode(w http.ResponseWriter, r *http.Request, v any) error {
	body, err := ReadBody(w, r, MaxBody)
	if err != nil {
		return err
	}
	return Unmarshal(body, v)
}

// DecodeAny is Decode for requests that need no body: without one, v stays as it is.
func DecodeAny(w http.ResponseWriter, r *http.Request, v any) error {
	if r.ContentLength == 0 {
		return nil
	}
	body, err := ReadBody(w, r, MaxBody)
	if err != nil || len(bytes.TrimSpace(body)) == 0 {
		return err
	}
	return Unmarshal(body, v)
}

// ReadBody returns the body of a request that may carry JSON, up to limit bytes.
func ReadBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	if err := checkContentType(r.Header.Get("Content-Type")); err != nil {
		return nil, err
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	return body, bodyProblem(err, limit)
}

// bodyProblem says what went wrong with reading a body of up to limit bytes.
func bodyProblem(err error, limit int64) error {
	var tooLarge *http.MaxBytesError
	var refused *Problem
	switch {
	case errors.As(err, &tooLarge):
		return BodyTooLarge(limit)
	case errors.As(err, &refused):
		return refused
	case err != nil:
		return BadRequest("incomplete_body", "the body ended early or arrived too slowly")
	}
	return nil
}

// BodyTooLarge refuses a body of more than limit bytes.
func BodyTooLarge(limit int64) *Problem {
	return NewProblem(http.StatusRequestEntityTooLarge, "body_too_large",
		fmt.Sprintf("the body is larger than %d bytes", limit))
}

// checkContentType takes a body without a type as JSON. That lets no web page in:
// the gateway looks at where it comes from.
func checkContentType(header string) error {
	if header == "" {
		return nil
	}
	mediaType, _, err := mime.ParseMediaType(header)
	if err == nil && (mediaType == "application/json" || strings.HasSuffix(mediaType, "+json")) {
		return nil
	}
	p := NewProblem(http.StatusUnsupportedMediaType, "unsupported_media_type", "the body must be application/json")
	if mediaType == "application/x-www-form-urlencoded" {
		return p.WithHint(`curl -d sends a form: use curl --json '…', or add -H 'Content-Type: application/json'`)
	}
	return p.WithHint("send Content-Type: application/json")
}

// Unmarshal is Decode for JSON that has been read already.
func Unmarshal(body []byte, v any) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return BadRequest("empty_body", "the body is empty").WithHint("send a JSON object")
	}
	if err := checkText(body); err != nil {
		return err
	}
	if err := checkFields(body, reflect.TypeOf(v)); err != nil {
		return err
	}
	if err := json.Unmarshal(body, v); err != nil {
		return decodeProblem(err)
	}
	return nil
}

func decodeProblem(err error) error {
	var known *Problem
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &syntax):
		return BadRequest("invalid_json", fmt.Sprintf("the body is not JSON: %v, at byte %d", syntax, syntax.Offset))
	case errors.As(err, &kind):
		return BadRequest("wrong_type", fmt.Sprintf("%s must be %s, not %s", fieldName(kind.Field), jsonType(kind), kind.Value))
	}
	return BadRequest("invalid_json", "the body does not fit this endpoint")
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

// checkText refuses what encoding/json silently replaces by U+FFFD: invalid
// UTF-8 and lone surrogates. It also refuses NUL, which no name, address or id
// needs.
func checkText(body []byte) error {
	if !utf8.Valid(body) {
		return BadRequest("invalid_utf8", "the body is not valid UTF-8")
	}
	for i := bytes.IndexByte(body, '\\'); i >= 0 && i+1 < len(body); {
		width := 2
		if body[i+1] == 'u' {
			unit, ok := hexUnit(body[i:])
			switch {
			case !ok: // a syntax error, which the decoder describes better
			case unit == 0:
				return BadRequest("invalid_text", "a string contains a NUL character")
			case unit >= 0xDC00 && unit <= 0xDFFF:
				return BadRequest("invalid_utf8", "a string contains half a surrogate pair")
			case unit >= 0xD800 && unit <= 0xDBFF:
				low, ok := hexUnit(body[min(i+6, len(body)):])
				if !ok || low < 0xDC00 || low > 0xDFFF {
					return BadRequest("invalid_utf8", "a string contains half a surrogate pair")
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

// hexUnit reads the \uXXXX at the start of b.
func hexUnit(b []byte) (uint64, bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	unit, err := strconv.ParseUint(string(b[2:6]), 16, 16)
	return unit, err == nil
}

// ID is an id that clients may write as a string or as a whole number. Inside
// geogate it is a string.
type ID string

// UnmarshalJSON implements json.Unmarshaler.
func (id *ID) UnmarshalJSON(data []byte) error {
	if data[0] == '"' {
		return json.Unmarshal(data, (*string)(id))
	}
	digits := strings.TrimPrefix(string(data), "-")
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return BadRequest("wrong_type", "an id must be a string or a whole number")
	}
	*id = ID(data)
	return nil
}
