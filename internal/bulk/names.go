package bulk

import (
	"fmt"
	"strconv"
	"strings"
)

const (
	// maxName is the longest name of a column in bytes of JSON. It is a name, not
	// a cell.
	maxName = 1 << 10
	// maxNames bounds all names of a job together in bytes of JSON. They are in
	// every row of a result but CSV, and in Redis once.
	maxNames = 64 << 10
	// maxAsked is how many columns make up a question. Each is looked for among
	// maxColumns names: 50,000 comparisons at worst, a millisecond.
	maxAsked = 50
)

// nameList makes names of columns, each different from the others, and bounds
// them. A name that is taken gets the next free number; because the number only
// grows, a thousand equal names take a thousand steps.
type nameList struct {
	names []string
	lens  []int // in JSON
	index map[string]int
	next  map[string]int // the number to try next, by name
	bytes int            // of all names in JSON
}

func newNameList() *nameList {
	return &nameList{index: map[string]int{}, next: map[string]int{}}
}

// add appends name, or what it is changed to because it is taken.
func (l *nameList) add(name string) error {
	unique := name
	for _, taken := l.index[unique]; taken; _, taken = l.index[unique] {
		n := max(l.next[name], 2)
		l.next[name] = n + 1
		unique = name + "_" + strconv.Itoa(n)
	}
	n := jsonLen(unique)
	if n > maxName {
		return &InputError{
			"name_too_long", fmt.Sprintf("column %d has a name of more than %d bytes", len(l.names)+1, maxName),
			"is the first line a header? header=0 says that it is not",
		}
	}
	if l.bytes += n; l.bytes > maxNames {
		return &InputError{"names_too_long", fmt.Sprintf("the names of the columns have more than %d bytes together", maxNames), "shorten them"}
	}
	l.index[unique] = len(l.names)
	l.names = append(l.names, unique)
	l.lens = append(l.lens, n)
	return nil
}

// addColumn appends the name of a column that has none.
func (l *nameList) addColumn() error { return l.add("column_" + strconv.Itoa(len(l.names)+1)) }

// addHeader appends the names of the columns of a CSV file whose first record is
// given.
func (l *nameList) addHeader(first []string, header bool) error {
	for _, cell := range first {
		var err error
		if name := strings.TrimSpace(cell); header && name != "" {
			err = l.add(name)
		} else {
			err = l.addColumn()
		}
		if err != nil {
			return err
		}
	}
	return nil
}
