// Command oapicodegen makes a ride with the client that oapi-codegen generates into the
// folder geogate. Its argument is the address of a geogate.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"geogate/checks/clients/oapicodegen/geogate"
)

func main() {
	if err := run(context.Background(), os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, base string) error {
	c, err := geogate.NewClientWithResponses(base)
	if err != nil {
		return err
	}
	q := "Vaduz"
	places, err := c.GeocodeWithResponse(ctx, &geogate.GeocodeParams{Q: &q})
	if err != nil || places.JSON200 == nil || len(places.JSON200.Data) == 0 {
		return fmt.Errorf("geocode: %+v, %w", places, err)
	}

	var id geogate.ID
	var position geogate.TrackJSONRequestBody
	lat, lng := 47.14151, 9.52154
	if err := errors.Join(id.FromID0("7"), position.FromPosition(geogate.Position{Id: id, Lat: lat, Lng: &lng})); err != nil {
		return err
	}
	tracked, err := c.TrackWithResponse(ctx, position)
	if err != nil || tracked.JSON200 == nil || tracked.JSON200.Accepted != 1 {
		return fmt.Errorf("track: %+v, %w", tracked, err)
	}
	requested, err := c.RequestRideWithResponse(ctx, &geogate.RequestRideParams{}, geogate.RequestRideJSONRequestBody{Lat: &lat, Lng: &lng})
	if err != nil || requested.JSON200 == nil {
		return fmt.Errorf("request ride: %+v, %w", requested, err)
	}
	ride, err := c.GetRideWithResponse(ctx, requested.JSON200.RequestId, &geogate.GetRideParams{})
	if err != nil || ride.JSON200 == nil || ride.JSON200.Driver == nil || ride.JSON200.Driver.Id != "7" {
		return fmt.Errorf("get ride: %+v, %w", ride, err)
	}
	completed, err := c.CompleteRideByIDWithResponse(ctx, ride.JSON200.RequestId, geogate.CompleteRideByIDJSONRequestBody{DriverId: &id})
	if err != nil || completed.JSON200 == nil || completed.JSON200.State != "completed" {
		return fmt.Errorf("complete ride: %+v, %w", completed, err)
	}
	again, err := c.CancelRideByIDWithResponse(ctx, ride.JSON200.RequestId, geogate.CancelRideByIDJSONRequestBody{})
	if err != nil || again.ApplicationproblemJSON409 == nil {
		return fmt.Errorf("cancel ride that has ended: %+v, %w", again, err)
	}
	return nil
}
