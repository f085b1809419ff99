/* Included before every file of ours (-include): functions that this code
 * base never calls, each with what to use instead.
 *
 * The headers that declare them come first, because a poisoned name may not
 * appear at all afterwards, not even in a declaration. */
#ifndef NIGHTJAR_BASE_BANNED_H
#define NIGHTJAR_BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

/* Unbounded copies: use struct buffer or snprintf. */
#pragma GCC poison strcpy strcat stpcpy sprintf vsprintf gets
/* Hidden state or silent overflow: use base/number.h. */
#pragma GCC poison strtok atoi atol atoll sscanf
/* A shell, or a name that another process may take first. */
#pragma GCC poison system popen mktemp tmpnam tempnam
/* Static results: use base/clock.h. */
#pragma GCC poison localtime gmtime

#endif
