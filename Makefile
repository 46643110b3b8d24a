# Needs only Go and make. The names people use:
#
#   make test      the tests, with the race detector where it can run
#   make check     what everyone runs before a commit: format, vet, staticcheck, tests
#   make demo      a real cluster on loopback: joins, talks, crashes, heals (15 s)
#   make sim       random faults in simulation: MINUTES=5 from new seeds, or from SEED=n on;
#                  SEED=n without MINUTES repeats one run and prints every event
#   make lifeguard   the experiments of the Lifeguard paper, as tables (GRID=full, minutes; half: a tenth)
#   make netns     agents in Linux network namespaces: bad lines, firewalls, pauses, kills (three minutes; root)
#   make fuzz      every fuzz target, one a processor          FUZZTIME=100000x each, FUZZ=regexp
#   make bench     the benchmarks                              BENCH=regexp COUNT=10
#   make bench-vs  the same work done by hashicorp/memberlist v0.7.0 and by this, alternately,
#                  with ratios and targets (minutes)    ROUNDS=10 BENCH_VS='-bench regexp' or -all
#   make golden    writes the recorded outputs in testdata anew; the diff is the review

GO          ?= go
PKGS        ?= ./...
FUZZTIME    ?= 100000x
FUZZ        ?= .
BENCH       ?= .
COUNT       ?= 1
ROUNDS      ?= 10
BENCH_VS    ?=
MINUTES     ?=
SEED        ?=
GRID        ?= full
TESTFLAGS   ?=
# go.mod stays free of tools; these run at exactly these versions.
STATICCHECK ?= honnef.co/go/tools/cmd/staticcheck@v0.8.2

# The race detector needs cgo and a C compiler that works with its headers.
# Building runtime/cgo is the question itself, not a guess at its answer.
RACE := $(shell $(GO) build -race runtime/cgo >/dev/null 2>&1 && echo -race)

# The packages whose tests have recorded outputs.
SCRIPTED := '{{range .TestImports}}{{if eq . "github.com/swimguard/memberlist/internal/script"}}{{$$.ImportPath}} {{end}}{{end}}'

.PHONY: lifeguard test check fmt vet staticcheck demo sim netns fuzz bench bench-vs golden

test:
ifeq ($(RACE),)
	@echo "make test: no working C compiler for cgo here, so the tests run WITHOUT the race detector"
endif
	$(if $(RACE),,CGO_ENABLED=0 )$(GO) test $(RACE) -timeout 20m $(TESTFLAGS) $(PKGS)

check: fmt vet staticcheck test

fmt:
	@out=$$(gofmt -l $$(git ls-files '*.go' 2>/dev/null || find . -name '*.go')); \
	if [ -n "$$out" ]; then echo "not formatted (gofmt -w them):"; echo "$$out"; exit 1; fi

vet:
	$(GO) vet $(PKGS)

staticcheck:
	$(GO) run $(STATICCHECK) $(PKGS)

demo:
	$(GO) run ./cmd/memberlist demo

sim:
	$(GO) test -count=1 -timeout 24h -run '^TestSimRandom$$' -v . -sim.seed=$(or $(SEED),$$(date +%s)00000) \
		$(if $(MINUTES),-sim.minutes=$(MINUTES),$(if $(SEED),-sim.v,-sim.minutes=5))

lifeguard:
	$(GO) test -count=1 -timeout 0 -run '^TestLifeguardExperiments$$' -v . -sim.lifeguard=$(GRID)

netns:
	cd netns && $(GO) test -count=1 -timeout 15m -parallel 6 -v . -netns=full

fuzz:
	FUZZTIME=$(FUZZTIME) FUZZ='$(FUZZ)' GO='$(GO)' sh .ci/fuzz

bench:
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem -count $(COUNT) $(PKGS)

# A module of its own, so that the other implementation is in nobody's build.
bench-vs:
	cd interop/bench && $(GO) run ./vs -rounds $(ROUNDS) $(BENCH_VS)

golden:
	$(GO) test -count=1 $$($(GO) list -f $(SCRIPTED) ./...) -rewrite
	git diff --stat -- testdata
