package gazetteer

import (
	"testing"

	"geogate/internal/gazetteer/packed"
)

func TestLargest(t *testing.T) {
	g, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	labels := g.Largest(packed.Box{South: 47.0, North: 47.3, West: 9.4, East: 9.7}, 5)
	if len(labels) != 5 {
		t.Fatalf("%d labels, want 5", len(labels))
	}
	for i, l := range labels[1:] {
		if l.Population > labels[i].Population {
			t.Errorf("%s comes after the smaller %s", l.Name, labels[i].Name)
		}
	}
	if world := g.Largest(packed.Box{South: -90, North: 90, West: -180, East: 180}, 1); len(world) != 1 || world[0].Name != "Shanghai" {
		t.Errorf("the largest town of the world is %+v", world)
	}
	if none := g.Largest(packed.Box{South: -1, North: 1, West: -31, East: -29}, 5); len(none) != 0 {
		t.Errorf("in the middle of the ocean there are %+v", none)
	}
}
