package dispatch_test

import (
	"errors"
	"fmt"
	"testing"

	"geogate/dispatch"
	"geogate/internal/asynctest"
	"geogate/internal/redistest"
)

// cluster is what onEachStore uses while TestSuiteOnCluster runs.
var cluster *redistest.Cluster

// TestSuiteOnCluster runs the other tests again on a Redis Cluster of three nodes.
func TestSuiteOnCluster(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the whole suite once more")
	}
	cluster = redistest.StartCluster(t)
	defer func() { cluster = nil }()
	for name, test := range map[string]func(t *testing.T){
		"RideFromRequestToCompletion":    TestRideFromRequestToCompletion,
		"Cancel":                         TestCancel,
		"UnknownRides":                   TestUnknownRides,
		"Expiry":                         TestExpiry,
		"RideTTL":                        TestRideTTLCompletesForgottenRides,
		"RequestRefusals":                TestRequestRefusals,
		"Caps":                           TestCaps,
		"TrackRejectsEachForItself":      TestTrackRejectsEachForItself,
		"IDsTouchOnlyThemselves":         TestIDsTouchOnlyThemselves,
		"TrackKeepsVehicleAndTags":       TestTrackKeepsVehicleAndTags,
		"NearestAcrossTheDateLine":       TestNearestAcrossTheDateLine,
		"IdempotencyKey":                 TestIdempotencyKey,
		"ClaimKey":                       TestClaimKey,
		"ScriptsReload":                  TestScriptsReload,
		"Wait":                           TestWait,
		"ChangesMissNoVersion":           TestChangesMissNoVersion,
		"ChangesArriveByWakeUp":          TestChangesArriveByWakeUp,
		"OfferAccepted":                  TestOfferAccepted,
		"OfferDeclined":                  TestOfferDeclinedGoesToTheNextAndNeverBack,
		"OfferLapses":                    TestOfferLapses,
		"CancelEndsTheOffer":             TestCancelEndsTheOffer,
		"OffersWaitForOne":               TestOffersWaitForOne,
		"DeleteDriver":                   TestDeleteDriver,
		"DriverGoesStaleAndComesBack":    TestDriverGoesStaleAndComesBack,
		"Regions":                        TestRegions,
		"HundredRidersTenDriversThree":   TestHundredRidersTenDriversThreeEngines,
		"ArrivalWakesWaitingRides":       TestArrivalWakesWaitingRides,
		"ReconcileRepairsLeaks":          TestReconcileRepairsLeaks,
		"EventsAreHandedOnInOrder":       TestEventsAreHandedOnInOrderAndAgainAfterAnError,
		"Stats":                          TestStats,
		"HistoriesHold":                  TestHistoriesHold,
		"VanishedRideLeavesTheDueSet":    TestVanishedRideLeavesTheDueSet,
		"AttemptsFindDriversInReach":     TestAttemptsFindDriversWhoMoveIntoReach,
		"DeadlineHoldsWithoutWorker":     TestDeadlineHoldsWithoutWorker,
		"NearestShowsOnlyFreshAvailable": TestNearestShowsOnlyFreshAvailableDrivers,
	} {
		t.Run(name, test)
	}
}

// TestRegionsOnDifferentNodes lets two cities work side by side, and the one go on
// while the other one's node is down.
func TestRegionsOnDifferentNodes(t *testing.T) {
	c := redistest.StartCluster(t)
	rdb := c.Client(t)
	key := func(region string) string { return "geogate:{" + region + "}:avail" }
	here, there := dispatch.DefaultRegion, ""
	for i := range 100 {
		region := fmt.Sprint("city", i)
		owner := c.Owner(t, key(region))
		if owner != c.Owner(t, key(here)) && owner != c.Owner(t, "geogate:duty") {
			there = region
			break
		}
	}
	if there == "" {
		t.Fatal("no region on another node")
	}
	e := dispatch.New(rdb, dispatch.Config{Regions: []string{here, there}})
	run(t, e)
	for i, region := range []string{here, there} {
		p := at(fmt.Sprint(i), north(10))
		p.Region = region
		track(t, e, p)
	}
	ask := func(region string) (dispatch.Ride, error) {
		return e.Request(t.Context(), dispatch.RideRequest{Pickup: santiago, Region: region})
	}
	for _, region := range []string{here, there} {
		ride, err := ask(region)
		if err != nil || ride.State != dispatch.Matched {
			t.Fatalf("ride in %s = %+v, %v, want it matched", region, ride, err)
		}
		if _, err := e.Complete(t.Context(), ride.ID, ""); err != nil {
			t.Fatal(err)
		}
	}
	down := c.Owner(t, key(there))
	down.Stop()
	if _, err := ask(there); !errors.Is(err, dispatch.ErrUnavailable) {
		t.Errorf("ride where the node is down: %v, want unavailable", err)
	}
	ride, err := ask(here)
	if err != nil || ride.State != dispatch.Matched {
		t.Errorf("ride elsewhere = %+v, %v, want it matched", ride, err)
	}
	down.Restart(t)
	c.AwaitWhole(t)
	asynctest.Eventually(t, "the other city is back", func() bool {
		_, err := ask(there)
		return err == nil
	})
}
