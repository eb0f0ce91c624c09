# make demo    a simulated AWS organisation delivers findings to a real tocsin; no AWS needed
# make test    every test, with the race detector
# make check   what a change has to pass: format, vet, linters, vulnerabilities, tests
# make bench   the whole program beside Prometheus Alertmanager, figures as ratios
# make chaos   kill -9 for longer: make chaos KILLS=200
# make fuzz    every fuzz target for FUZZTIME each (default 1m)

GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null)
LDFLAGS  = -s -w -X github.com/tocsin-sec/tocsin/internal/cli.Version=$(VERSION)
KILLS   ?= 100
FUZZTIME ?= 1m

.PHONY: demo build test check bench chaos fuzz golden deps
.DEFAULT_GOAL := build

build:
	CGO_ENABLED=0 $(GO) build -tags lambda.norpc -trimpath -ldflags '$(LDFLAGS)' -o bin/tocsin ./cmd/tocsin

demo: build
	@./bin/tocsin demo $(ARGS)

deps:
	@scripts/deps

# The race detector watches all but what was C in SQLite, which is one thread's at a time
# and takes most of the time. Some tests of what is used again, and of garbage, can only
# be without it.
test: deps
	$(GO) test -race -gcflags=modernc.org/sqlite/lib=-race=false -timeout 15m ./...
	$(GO) test ./pattern

check:
	@scripts/check

bench: build
	$(GO) run ./internal/bench $(ARGS)

chaos: deps
	TOCSIN_CHAOS_KILLS=$(KILLS) $(GO) test -count=1 -timeout 2h -v -run 'NothingIsLost|LosesNothing' ./internal/chaos

fuzz:
	@scripts/fuzz $(FUZZTIME)

# Writes the golden files anew; read the difference before you commit it.
golden:
	$(GO) test ./internal/guardduty ./internal/notify/... ./internal/web ./internal/config ./internal/app ./internal/api ./internal/cli ./pattern/lint ./transform -update
