package turns

// Callers is how many callers have calls under way or waiting.
func (q *Queue) Callers() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.callers)
}
