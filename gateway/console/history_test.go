package console

import (
	"testing"
	"time"
)

func TestHistoryKeepsAnHour(t *testing.T) {
	var h history
	began := time.Unix(1_700_000_000, 0)
	for i := range maxSamples + 5 {
		h.add(began.Add(time.Duration(i)*sampleEvery), Counters{Hits: uint64(i)})
	}
	samples := h.list()
	if len(samples) != maxSamples || samples[0].Hits != 5 || samples[maxSamples-1].Hits != maxSamples+4 {
		t.Errorf("%d samples from %d to %d, want the last %d", len(samples), samples[0].Hits, samples[len(samples)-1].Hits, maxSamples)
	}
	if span := time.Time(samples[maxSamples-1].At).Sub(time.Time(samples[0].At)); span != (maxSamples-1)*sampleEvery {
		t.Errorf("they span %s", span)
	}
}
