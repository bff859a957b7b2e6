package gossip

import (
	"encoding/json"
	"slices"

	"github.com/hashicorp/memberlist"
)

// delegate is what memberlist calls. It is a type of its own, so that its methods are
// not those of Mesh.
type delegate Mesh

// NodeMeta implements memberlist.Delegate.
func (d *delegate) NodeMeta(limit int) []byte {
	text, err := json.Marshal(d.about.Load())
	if err != nil || len(text) > limit {
		return nil // others then know the name only
	}
	return text
}

// NotifyMsg implements memberlist.Delegate. It must not block, and the message is
// memberlist's.
func (d *delegate) NotifyMsg(message []byte) {
	select {
	case d.heard <- slices.Clone(message):
	default:
	}
}

// GetBroadcasts implements memberlist.Delegate.
func (d *delegate) GetBroadcasts(overhead, limit int) [][]byte {
	return d.queue.GetBroadcasts(overhead, limit)
}

// LocalState implements memberlist.Delegate.
func (d *delegate) LocalState(bool) []byte { return (*Mesh)(d).whole() }

// MergeRemoteState implements memberlist.Delegate. It has merged all when it returns,
// so a process that has joined knows what the other one knew.
func (d *delegate) MergeRemoteState(text []byte, _ bool) { (*Mesh)(d).mergeWhole(text) }

// NotifyJoin implements memberlist.EventDelegate. The node is memberlist's.
func (d *delegate) NotifyJoin(n *memberlist.Node) { (*Mesh)(d).noteAlive(n) }

// NotifyUpdate implements memberlist.EventDelegate.
func (d *delegate) NotifyUpdate(n *memberlist.Node) { (*Mesh)(d).noteAlive(n) }

// NotifyLeave implements memberlist.EventDelegate.
func (d *delegate) NotifyLeave(n *memberlist.Node) { (*Mesh)(d).noteGone(n) }
