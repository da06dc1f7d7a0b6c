# Twinspan. `make help` lists the targets.

# Programs and tests are pure Go; only the race detector needs a C compiler.
export CGO_ENABLED = 0
# The tests use the programs that were built here, also inside the VM.
export TWINSPAN_BIN = $(CURDIR)/bin

# The version is stamped from git, where there is one that answers.
STAMP := -buildvcs=$(shell git rev-parse HEAD >/dev/null 2>&1 && echo true || echo false)

# Packages whose tests take seconds. Where one needs root it is skipped without.
QUICK = ./xfrm/... ./ike/... ./daemon ./daemon/alarm/... ./daemon/api/... ./daemon/config ./daemon/monitor/history ./daemon/monitor/metrics ./daemon/netio ./daemon/plan ./cmd/... ./tests/layers

.PHONY: all help check test vm bench load demo clean
all: ## build bin/twinspand and bin/twinspan
	go build -trimpath $(STAMP) -o bin/ ./cmd/twinspand ./cmd/twinspan

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | expand -t 10

check: ## quick and offline: format, vet, staticcheck, race tests of the quick packages
	@unformatted=$$(gofmt -l $$(git ls-files '*.go' 2>/dev/null || echo .)); \
	if [ -n "$$unformatted" ]; then echo "not formatted with gofmt: $$unformatted" >&2; exit 1; fi
	go vet ./...
	go tool staticcheck ./...
	CGO_ENABLED=1 go test -race -short $(QUICK)

test: ## everything: check, all tests on this machine, kernel tests in a VM; installs the Debian packages they need
	tests/install-packages test
	$(MAKE) check
	$(MAKE) all
	tests/all

vm: all ## only the tests that need a kernel with ESP, in a VM
	tests/install-packages test
	tests/all vm

bench: ## the benchmarks that have a goal, and a table of both
	go run ./tests/bench

load: all ## IKEv1 handshakes under load: TUNNELS=1000, DAEMONS="twinspan strongswan"
	$(if $(findstring strongswan,$(DAEMONS)),tests/install-packages peer)
	go run ./tests/bench/load -tunnels $(or $(TUNNELS),1000) $(or $(DAEMONS),twinspan)

demo: all ## the Quick Start in network namespaces; PEER=strongswan for a real strongSwan on the other side
	$(if $(filter strongswan,$(PEER)),tests/install-packages peer)
	go run ./tests/demo $(if $(PEER),-peer $(PEER))

clean: ## remove what was built
	rm -rf bin
