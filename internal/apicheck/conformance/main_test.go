package main

import "testing"

func TestProgramsSeeWhatTheyKnow(t *testing.T) {
	for _, what := range failures() {
		t.Error(what)
	}
}
