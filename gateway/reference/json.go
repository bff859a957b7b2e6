package reference

import (
	"bytes"
	"encoding/json"
	"fmt"

	"go.yaml.in/yaml/v3"
)

// toJSON writes YAML as JSON, in the same order: it is the order in which the page
// shows what it describes.
func toJSON(text []byte) ([]byte, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		return nil, fmt.Errorf("read YAML: %w", err)
	}
	var out bytes.Buffer
	if err := writeJSON(&out, &root); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func writeJSON(out *bytes.Buffer, n *yaml.Node) error {
	switch n.Kind {
	case yaml.DocumentNode:
		return writeJSON(out, n.Content[0])
	case yaml.AliasNode:
		return writeJSON(out, n.Alias)
	case yaml.MappingNode:
		return writeAll(out, n.Content, '{', '}')
	case yaml.SequenceNode:
		return writeAll(out, n.Content, '[', ']')
	}
	var value any
	if err := n.Decode(&value); err != nil {
		return fmt.Errorf("line %d: %w", n.Line, err)
	}
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("line %d: %w", n.Line, err)
	}
	out.Write(text)
	return nil
}

// writeAll writes the elements of a list, or the names and values of an object in
// turn.
func writeAll(out *bytes.Buffer, nodes []*yaml.Node, opening, closing byte) error {
	out.WriteByte(opening)
	for i, n := range nodes {
		name := opening == '{' && i%2 == 0
		switch {
		case opening == '{' && !name:
			out.WriteByte(':')
		case i > 0:
			out.WriteByte(',')
		}
		if name && n.Kind == yaml.ScalarNode {
			n = &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: n.Value}
		}
		if err := writeJSON(out, n); err != nil {
			return err
		}
	}
	out.WriteByte(closing)
	return nil
}
