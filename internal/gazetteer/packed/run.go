package packed

import "sync"

// Scores are kept in a byte, rounded up: no score is higher than what is kept.
const (
	lowestScore = -2.0
	scoreUnit   = 1.0 / 15 // up to 15.0
)

// keptScore is the byte that a score is kept in.
func keptScore(score float64) byte {
	units := (score - lowestScore) / scoreUnit
	kept := int(units)
	if float64(kept) < units {
		kept++
	}
	return byte(min(max(kept, 0), 255))
}

// A run is a sorted sequence of entries in blocks, with the highest score in each,
// and above them a tree with the highest score of its branches.
type run struct {
	each int // entries in a block
	// levels are the tree from its leaves, the blocks, to its root. They are made
	// when they are first needed, so that a start costs nothing.
	levels func() [][]byte
}

// fanOut is how many branches the tree has at each node.
const fanOut = 16

func newRun(tops []byte, each int) run {
	return run{each: each, levels: sync.OnceValue(func() [][]byte {
		levels := [][]byte{tops}
		for below := tops; len(below) > 1; {
			above := make([]byte, blocksOf(len(below), fanOut))
			for i, score := range below {
				above[i/fanOut] = max(above[i/fanOut], score)
			}
			levels = append(levels, above)
			below = above
		}
		return levels
	})}
}

// maxBlocks bounds one search, whatever it looks for: 256 blocks are 0.6 ms. Half
// of that is enough to find the best twenty of any prefix.
const maxBlocks = 256

// node is a branch of the tree that may hold something of use.
type node struct {
	score        byte
	level, index int
}

// visit opens the blocks of a range in the order of their scores. open gets the
// entries of a block that are in the range, and says below which score nothing is
// of use. It opens no more than most blocks.
func (r run) visit(in Range, least float64, most int, open func(from, to int) float64) {
	if in.From >= in.To {
		return
	}
	most = min(most, maxBlocks)
	levels := r.levels()
	top := len(levels) - 1
	queue := append(make(nodes, 0, 128), node{levels[top][0], top, 0}) // room for most, so that it stays on the stack
	for opened := 0; len(queue) > 0 && opened < most; {
		n := queue.pop()
		if lowestScore+float64(n.score)*scoreUnit <= least {
			return
		}
		if n.level == 0 {
			least = open(max(in.From, n.index*r.each), min(in.To, (n.index+1)*r.each))
			opened++
			continue
		}
		span := r.each // entries below a child
		for range n.level - 1 {
			span *= fanOut
		}
		below := levels[n.level-1]
		first := max(n.index*fanOut, in.From/span)
		last := min((n.index+1)*fanOut-1, (in.To-1)/span, len(below)-1)
		for i := first; i <= last; i++ {
			queue.push(node{below[i], n.level - 1, i})
		}
	}
}

// nodes is a heap, the highest score first.
type nodes []node

func (q *nodes) push(n node) {
	*q = append(*q, n)
	h := *q
	for i := len(h) - 1; i > 0; {
		parent := (i - 1) / 2
		if h[parent].score >= h[i].score {
			return
		}
		h[parent], h[i] = h[i], h[parent]
		i = parent
	}
}

func (q *nodes) pop() node {
	h := *q
	best := h[0]
	last := len(h) - 1
	h[0] = h[last]
	h = h[:last]
	for i := 0; ; {
		child := 2*i + 1
		if child >= len(h) {
			break
		}
		if child+1 < len(h) && h[child+1].score > h[child].score {
			child++
		}
		if h[i].score >= h[child].score {
			break
		}
		h[i], h[child] = h[child], h[i]
		i = child
	}
	*q = h
	return best
}
