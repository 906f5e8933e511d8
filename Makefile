# make run    installs what is missing, builds, starts, archives the samples
# make test   passes everything
.PHONY: run stop test fault build setup documents lint vuln bench bench-parts fuzz test-minio generate

# The tools that go beside Go modules are pinned here.
GOLANGCI    = github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.12.2
GOVULNCHECK = golang.org/x/vuln/cmd/govulncheck@v1.1.4

export GOTOOLCHAIN = local

run: setup build
	@sh deploy/run.sh

stop:
	@sh deploy/run.sh stop

build:
	@echo "build: bin/bestand"
	@v=$$(git describe --tags --always --dirty 2>/dev/null || echo devel); \
		go build -ldflags "-X main.version=$$v -X bestand/ingest.version=$$v" -o bin/bestand ./cmd/bestand
	@CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o bin/erverify ./cmd/erverify

setup:
	@sh deploy/setup.sh

test: setup
	BESTAND_REQUIRE_TOOLS=1 go test -timeout 40m ./...

# The long campaigns: what is killed, cut off, filled up and damaged. Each
# prints what it did and found.
fault: setup
	BESTAND_REQUIRE_TOOLS=1 BESTAND_FAULT=1 go test -count=1 -v -timeout 3h -run '^TestFault' ./...

# Public documents for the campaign TestFaultDocuments: make documents DIR=…
documents:
	@sh deploy/documents.sh "$(DIR)"

lint:
	go vet ./...
	go run $(GOLANGCI) run ./...

vuln:
	go run $(GOVULNCHECK) ./...

# The speed that is promised, each beside the program that it is measured against.
# BESTAND_BENCH_RECORDS is the largest catalog; BESTAND_BENCH_DIR keeps it.
bench:
	@out=$$(mktemp) && trap 'rm -f $$out' EXIT && \
		{ go test -run '^$$' -bench . -benchtime 3x -timeout 6h ./cmd/bestand; \
		  go test -run '^$$' -bench 'Evidence|Tree' ./preservation/evidence; \
		  go test -run '^$$' -bench . -benchtime 5x -timeout 1h ./preservation/proof; \
		  go test -run '^$$' -bench . -timeout 2h ./search; } | tee $$out && \
		awk -f deploy/bench.awk $$out && ! grep -q '^FAIL' $$out

# The parts by themselves.
bench-parts:
	go test -run '^$$' -bench . -benchmem $$(go list ./... | grep -v /cmd/)

# Every parser of bytes from outside, for FUZZTIME each; what breaks one is kept
# beside it in testdata/fuzz.
FUZZTIME = 20s
fuzz:
	@grep -rEo '^func Fuzz[A-Za-z0-9_]+' --include='*_test.go' . | sort | { failed=0; while IFS=: read -r file func; do \
		echo "fuzz: $$(dirname $$file) $${func#func }"; \
		go test -run '^$$' -fuzz "^$${func#func }$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 5x -parallel 1 "$$(dirname $$file)" || failed=1; \
	done; exit $$failed; }

# The suite of the store against a MinIO that is built from its module.
test-minio:
	@sh deploy/minio.sh

generate:
	go generate ./...
