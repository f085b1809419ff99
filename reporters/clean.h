/* Text of others for reports that are no XML: the cleaning is that of xml.h
 * (terminal sequences, controls, hidden characters, commands of CI systems),
 * the length is bounded. */
#ifndef NIGHTJAR_REPORTERS_CLEAN_H
#define NIGHTJAR_REPORTERS_CLEAN_H

#include "base/json.h"

/* A string member of at most `most` bytes: of a longer text head and tail,
 * with what was left out between them. */
void clean_member(struct json *json, const char *key, const char *text,
                  size_t most);

/* One line of at most `most` bytes, then "...". The caller frees it. */
char *clean_line(const char *text, size_t most);

/* The same with its lines; head and tail. The caller frees it. */
char *clean_text(const char *text, size_t most);

/* A path as a relative URI reference (RFC 3986): what is no unreserved
 * character or "/" is percent-encoded. The caller frees it. */
char *clean_uri(const char *path);

/* An address that is a URI already: what may not stand in one is
 * percent-encoded, all else stays. The caller frees it. */
char *clean_address(const char *address);

#endif
