package bulk

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"unicode/utf8"
)

// malformedColumn keeps the lines that are not JSON objects.
const malformedColumn = "input"

// ndjsonReader reads one JSON object, or one string as a question, a line.
type ndjsonReader struct {
	lines   lineReader
	columns *nameList
	first   string // the first name of the first object
}

func newNDJSONReader(lines lineReader) *ndjsonReader {
	return &ndjsonReader{lines: lines, columns: newNameList()}
}

// next returns the row of the next line that is not blank, or io.EOF.
func (n *ndjsonReader) next() (row, error) {
	for {
		line, err := n.lines.next()
		if err != nil {
			return row{}, err
		}
		if line = bytes.TrimSpace(line); len(line) > 0 {
			return n.row(line)
		}
	}
}

var errNoObject = errors.New("not a JSON object")

func (n *ndjsonReader) row(line []byte) (row, error) {
	if line[0] == '"' && json.Valid(line) && utf8.Valid(line) {
		var r row
		err := n.set(&r, "q", string(line))
		return r, err
	}
	r, err := n.object(line)
	if err == nil || !errors.Is(err, errNoObject) {
		return r, err
	}
	text, err := json.Marshal(plainText(line))
	if err != nil {
		return row{}, err
	}
	r = row{malformed: true}
	err = n.set(&r, malformedColumn, string(text))
	return r, err
}

// object reads the members of a JSON object. Of a name that comes twice the
// last one counts, as for most readers of JSON.
func (n *ndjsonReader) object(line []byte) (row, error) {
	if line[0] != '{' || !utf8.Valid(line) || !json.Valid(line) {
		return row{}, errNoObject
	}
	d := json.NewDecoder(bytes.NewReader(line))
	if _, err := d.Token(); err != nil {
		return row{}, errNoObject
	}
	var r row
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return row{}, errNoObject
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return row{}, errNoObject
		}
		text, _ := name.(string)
		if n.first == "" {
			n.first = text
		}
		if err := n.set(&r, text, string(value)); err != nil {
			return row{}, err
		}
	}
	return r, nil
}

func (n *ndjsonReader) set(r *row, name, value string) error {
	i, known := n.columns.index[name]
	if !known {
		i = len(n.columns.names)
		if i == maxColumns {
			return &InputError{
				"too_many_columns", "the objects have more than " + strconv.Itoa(maxColumns) + " different names", "",
			}
		}
		if err := n.columns.add(name); err != nil {
			return err
		}
	}
	for len(r.cells) <= i {
		r.cells = append(r.cells, "")
	}
	r.cells[i] = value
	return nil
}
