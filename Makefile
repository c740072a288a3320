# make help lists the targets.
#
# Every target installs what it lacks (tools/deps), and works without network
# once that is done.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:

# The first tag takes the modules of OpenCV that Debian's version supports, the
# second adds the photo module; dlib finds faces. Without them stubs stand in for
# native/.
export GOFLAGS := -tags=gocv_specific_modules,gocv_photo,dlib -buildvcs=false

GOFLAGS_GOFACE := -tags=gocv_specific_modules,gocv_photo,dlib,goface -buildvcs=false

PROGRAMS := $(strip $(foreach p,client server computenode bench,$(if $(wildcard $(p)/*.go),./$(p))))
GOLANGCI := bin/tools/golangci-lint
GOVULN   := bin/tools/govulncheck

.PHONY: help build build-goface run demo-faults certs test test-goface chaos bench bench-policies bench-rpc bench-dispatch bench-store bench-media bench-api lint fmt generate check-generated vuln clean deps

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build bin/client, bin/server, bin/computenode and bin/bench
	@tools/deps build
	@mkdir -p bin
	@[ -z "$(PROGRAMS)" ] || go build -o bin/ $(PROGRAMS)

run: ## process real photographs on a server and four nodes, with random and balance; ARGS="--op blur:kernel=7"
	@tools/deps build run
	@tools/run $(ARGS)

demo-faults: ## lose two of twelve nodes in the midst of a job, and see every output come; ARGS="--photos 600"
	@tools/deps build run
	@$(MAKE) --no-print-directory build
	@tools/demo-faults $(ARGS)

certs: ## make a test authority, and certificates for the programs of machine.txt, in data/certs
	@tools/certs data/certs --machines machine.txt

test: ## run every test with the race detector
	@tools/deps build test
	go test -race -timeout 20m ./...
	cd bench/rpc && go test -race ./...
	@plain=$$({ grep -rlE '^//go:build .*!race' --include='*_test.go' . || true; } | xargs -r -n1 dirname | sort -u); \
	if [ -n "$$plain" ]; then echo "go test (without the race detector, for the tests that measure)"; go test $$plain; fi

chaos: ## run clusters under faults that seeds draw, and check that nothing is lost; ARGS="--runs 200 --seed 1"
	@tools/deps build test
	@mkdir -p bin
	@go build -o bin/chaos ./test/chaos
	bin/chaos $(ARGS)

bench: ## measure, and write bench/out/report.md
	@tools/deps build run
	@$(MAKE) --no-print-directory build
	@tools/photos
	bin/bench run $(ARGS)

# Code 1 says that a figure misses its target, which the report then tells.
SCENARIOS := S1 S2 S3 S4 S5 S6 S7 S8 S9 S10 S11 S12 S13 S14
bench-policies: build ## run the scenarios of all policies, small, and write bench/out/policies.html; ARGS="--seeds 30" for the full ones
	bin/bench run $(SCENARIOS) $(or $(ARGS),--quick) || [ $$? = 1 ]
	bin/bench report

# The peers have a module of their own, as the tools do.
bench-rpc: ## measure the Thrift layer beside other RPC libraries, and write bench/out/rpc.md; ARGS=--quick
	@tools/deps
	cd bench/rpc && CGO_ENABLED=0 go build -o ../../bin/bench-rpc .
	bin/bench-rpc $(ARGS)

bench-dispatch: build ## measure durable tasks/s beside Celery and Dask; ARGS="--rounds 5"
	@tools/deps dispatch
	bench/dispatch/run $(ARGS)

bench-store: build ## measure what the store costs tasks of 5 ms; ARGS="--rounds 5"
	bench/dispatch/store $(ARGS)

bench-media: build bin/plain-faces ## measure faces, videos and sound beside plain programs; ARGS="--pairs 5"
	@tools/deps run test
	@tools/photos
	bin/bench media $(ARGS)

bench-api: build ## measure the HTTP API beside a bare handler of net/http, and streams of events; ARGS="gets --turns 9"
	@[ -n "$(ARGS)" ] || bin/bench events
	bin/bench api $(ARGS)

# What the faces are held against, in tests and in bench-media. Several may make it at
# once.
bin/plain-faces: native/dlib/plain/faces.cpp
	@tools/deps build
	@mkdir -p bin
	g++ -std=c++17 -O3 -DNDEBUG -o $@.$$$$ $< $$(pkg-config --cflags opencv4) \
		-lopencv_imgcodecs -lopencv_imgproc -lopencv_core -ldlib -lblas -llapack -pthread && mv $@.$$$$ $@

# go-face takes minutes to compile, is compiled for this machine's processor, and of no
# use without its models: a build of its own.
build-goface: ## build bin/computenode with face_identity, for processors like this one
	@tools/deps build goface
	@mkdir -p bin
	GOFLAGS="$(GOFLAGS_GOFACE)" go build -o bin/ ./computenode

test-goface: bin/random-models/all ## test face_identity with models of random weights
	@tools/deps build goface test
	GOFLAGS="$(GOFLAGS_GOFACE)" go test ./native/goface
	GOFLAGS="$(GOFLAGS_GOFACE)" go test -run 'Identity|Face' ./computenode/operation
	GOFLAGS="$(GOFLAGS_GOFACE)" go test -run Identity ./test

# Models of the right shape that know nobody.
bin/random-models/all: native/goface/random/models.cpp
	@tools/deps build
	@mkdir -p bin/random-models
	g++ -std=c++17 -O1 -DNDEBUG -o bin/random-models/make.$$$$ $< -ldlib -lblas -llapack -pthread && \
		bin/random-models/make.$$$$ bin/random-models && mv bin/random-models/make.$$$$ $@

lint: $(GOLANGCI) ## check style and likely mistakes
	@tools/deps build
	$(GOLANGCI) run ./...
	cd bench/rpc && ../../$(GOLANGCI) run ./...

fmt: $(GOLANGCI) ## format the code
	$(GOLANGCI) fmt ./...

generate: ## make gen-go from the files in thrift/
	@tools/deps generate
	tools/generate

check-generated: ## check that gen-go is what the files in thrift/ make
	@tools/deps generate || true
	tools/generate --check

vuln: $(GOVULN) ## look for known vulnerabilities in what the program calls
	@tools/deps build
	@tools/vuln $(GOVULN)

clean: ## remove what was built and measured; data stays
	rm -rf bin bench/out

deps: ## install all that any target needs
	@tools/deps make build run test generate

# The tools have a module of their own, so that the program's go.mod stays small.
$(GOLANGCI): tools/go.mod tools/go.sum
	@tools/deps
	cd tools && go build -o ../$@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

$(GOVULN): tools/go.mod tools/go.sum
	@tools/deps
	cd tools && go build -o ../$@ golang.org/x/vuln/cmd/govulncheck
