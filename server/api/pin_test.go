package api

// This file keeps modules in go.mod until they are used.
import (
	_ "github.com/prometheus/client_golang/prometheus/promhttp"
	_ "github.com/prometheus/client_golang/prometheus/testutil"
	_ "github.com/tus/tusd/v2/pkg/filelocker"
	_ "github.com/tus/tusd/v2/pkg/filestore"
	_ "go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	_ "go.opentelemetry.io/otel/propagation"
	_ "go.opentelemetry.io/otel/sdk/trace"
)
