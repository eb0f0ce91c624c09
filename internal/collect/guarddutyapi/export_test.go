package guarddutyapi

import (
	"context"
	"time"

	"github.com/tocsin-sec/tocsin/internal/collect"
)

// Hurry makes pauses short, for tests.
func (s *Source) Hurry() { s.pause, s.patience = time.Millisecond, 300*time.Millisecond }

// Turn is one turn of Run.
func (s *Source) Turn(ctx context.Context, sink collect.Sink) time.Duration { return s.turn(ctx, sink) }
