package request

// AsTyped returns r marked as one letter of a search-as-you-type. The key stays
// the same: the answer is, too.
func (r Request) AsTyped() Request {
	r.typed = true
	return r
}

// Typed reports whether the request is one letter of a search-as-you-type, which
// some providers' terms forbid.
func (r Request) Typed() bool { return r.typed }
