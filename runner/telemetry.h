/* Spans and metrics of a run that is over, sent by OTLP/HTTP as JSON.
 *
 * Where and how the standard variables say: OTEL_EXPORTER_OTLP_ENDPOINT,
 * _HEADERS, _TIMEOUT and _PROTOCOL, each also with TRACES_ or METRICS_ behind
 * OTLP_; OTEL_TRACES_EXPORTER and OTEL_METRICS_EXPORTER (otlp or none);
 * OTEL_SDK_DISABLED. Source: OpenTelemetry's specification of the protocol
 * exporter and of environment variables. */
#ifndef NIGHTJAR_RUNNER_TELEMETRY_H
#define NIGHTJAR_RUNNER_TELEMETRY_H

#include "reporters/reporter.h"

/* Sends what the variables ask for; 0 also when they ask for nothing. Failed
 * requests that may be tried again (429, 502, 503, 504, no connection) are, a
 * few times. Errors: ERROR_USAGE for a protocol or an address that cannot be
 * used, ERROR_NETWORK, ERROR_REQUEST. */
int telemetry_export(const struct run_outcome *outcome,
                     const struct report_options *options, struct error *err);

#endif
