package jobs_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"geogate/gateway"
	"geogate/gateway/exchange"
	"geogate/gateway/jobs"
	"geogate/internal/asynctest"
	"geogate/internal/bulk"
	"geogate/internal/identity"
	"geogate/internal/identity/identitytest"
)

// bulkPeople are two subjects with the scope bulk, an operator, who may act for
// anybody, and callers without a credential.
func bulkPeople(t *testing.T) (j *jobsFixture, as map[string]string) {
	t.Helper()
	p := identitytest.NewProvider(t)
	authority := identity.New(nil, identity.Config{Log: zerolog.Nop(), Provider: identity.ProviderConfig{Issuer: p.URL, Audience: identitytest.Audience}})
	as = map[string]string{"nobody": ""}
	for subject, roles := range map[string]string{"ann": "", "bob": "", "office": "operator"} {
		as[subject] = "Authorization: Bearer " + p.Token(t, map[string]any{"sub": subject, "roles": roles, "scope": "bulk"})
	}
	j = newJobsFixture(t, bulk.Config{MaxClientJobs: 3}, func(c *gateway.Config) {
		c.TryingOut = false
		c.Identity = gateway.Identity{Authority: authority, Anonymous: identity.Bulk}
	})
	asynctest.Background(t, authority.Run)
	return j, as
}

func (j *jobsFixture) uploadAs(t *testing.T, credential string) (id string) {
	t.Helper()
	res := j.Do(t, "POST /v2/jobs", threeTowns, "Content-Type: text/csv", credential)
	var job jobs.Created
	res.JSON(t, &job)
	if res.StatusCode != 202 {
		t.Fatalf("upload = %d %s", res.StatusCode, res.Text)
	}
	return job.JobID
}

var requestIDs = regexp.MustCompile(`urn:request:[^"]+`)

// A job of somebody else is answered like one that does not exist.
func TestJobsOfOthersDoNotExist(t *testing.T) {
	j, as := bulkPeople(t)
	id := j.uploadAs(t, as["ann"])
	unknown := strings.Repeat("0", len(id))
	paths := []string{"GET /v2/jobs/{id}", "GET /v2/jobs/{id}?wait=20s", "GET /v2/jobs/{id}/events", "GET /v2/jobs/{id}/result", "GET /v2/jobs/{id}/result?partial=1", "DELETE /v2/jobs/{id}"}
	for _, who := range []string{"bob", "nobody"} {
		for _, line := range paths {
			foreign := j.Do(t, strings.ReplaceAll(line, "{id}", id), "", as[who])
			none := j.Do(t, strings.ReplaceAll(line, "{id}", unknown), "", as[who])
			if foreign.StatusCode != 404 || requestIDs.ReplaceAllString(foreign.Text, "") != requestIDs.ReplaceAllString(none.Text, "") {
				t.Errorf("%s as %s: foreign %d %s, unknown %d %s, want the same 404", line, who, foreign.StatusCode, foreign.Text, none.StatusCode, none.Text)
			}
		}
	}
	for _, who := range []string{"ann", "office"} {
		if res := j.Do(t, "GET /v2/jobs/"+id, "", as[who]); res.StatusCode != 200 {
			t.Errorf("the job as %s = %d %s, want 200", who, res.StatusCode, res.Text)
		}
	}
	open := j.uploadAs(t, "")
	for who, credential := range as {
		if res := j.Do(t, "GET /v2/jobs/"+open, "", credential); res.StatusCode != 200 {
			t.Errorf("a job of nobody as %s = %d %s, want 200: its id is the secret", who, res.StatusCode, res.Text)
		}
	}
	if res := j.Do(t, "DELETE /v2/jobs/"+id, "", as["ann"]); res.StatusCode != 204 {
		t.Errorf("delete one's own = %d %s, want 204", res.StatusCode, res.Text)
	}
}

// Colleagues behind one address do not use up each other's room for jobs.
func TestJobsAreCountedByCredential(t *testing.T) {
	j, as := bulkPeople(t)
	for range 3 {
		j.uploadAs(t, as["ann"])
	}
	res := j.Do(t, "POST /v2/jobs", threeTowns, "Content-Type: text/csv", as["ann"])
	var p exchange.Problem
	res.JSON(t, &p)
	if res.StatusCode != 429 || p.Code != "too_many_jobs" {
		t.Errorf("one job more = %d %s, want 429 too_many_jobs", res.StatusCode, res.Text)
	}
	j.uploadAs(t, as["bob"])
	j.uploadAs(t, "")
}
