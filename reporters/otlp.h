/* OTLP/JSON, shared by spans and metrics. Format: OpenTelemetry protocol
 * 1.x, its JSON encoding: 64-bit numbers are strings, ids hexadecimal. */
#ifndef NIGHTJAR_REPORTERS_OTLP_H
#define NIGHTJAR_REPORTERS_OTLP_H

#include "base/json.h"
#include "reporters/reporter.h"

/* One element of an attribute list. */
void otlp_text(struct json *json, const char *key, const char *value);
void otlp_int(struct json *json, const char *key, int64_t value);
void otlp_double_micro(struct json *json, const char *key, int64_t micro);

/* A member whose value is a time in nanoseconds, from milliseconds. */
void otlp_time(struct json *json, const char *key, int64_t ms);

/* The member `resource`: the program and what the options add. */
void otlp_resource(struct json *json, const struct run_outcome *outcome,
                   const struct report_options *options);

/* The member `scope`. */
void otlp_scope(struct json *json, const struct run_outcome *outcome);

/* Adds one request of spans to `out`: the run's own span before the first
 * task, then those of tasks from *at on, until `bytes` are reached or there
 * are no more; *at is the next task then. */
int traces_add(const struct run_outcome *outcome,
               const struct report_options *options, size_t *at, size_t bytes,
               struct buffer *out, struct error *err);

#endif
