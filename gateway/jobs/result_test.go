package jobs_test

import (
	"encoding/csv"
	"strings"
	"testing"

	"geogate/internal/asynctest"
	"geogate/internal/bulk"
)

// The header of a result is what encoding/csv reads, whatever the cells hold.
func TestResultIsCSV(t *testing.T) {
	j := newJobsFixture(t, bulk.Config{})
	asynctest.Background(t, j.worker.Run)
	id := j.upload(t, "/v2/jobs", "text/csv", "id;\"ad\ndress\"\n1;\"a\r\n\"\"b\"\", c\"\n2;;;\n")
	j.finished(t, id)
	all, err := csv.NewReader(strings.NewReader(j.Do(t, "GET /v2/jobs/"+id+"/result", "").Text)).ReadAll()
	if err != nil || len(all) != 3 || all[1][1] != "a\n\"b\", c" {
		t.Errorf("%q, %v", all, err)
	}
}
