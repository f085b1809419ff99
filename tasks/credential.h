/* Tokens for repositories over https, from the environment. A token is given
 * only to the host that it was made for, never by its mere presence. */
#ifndef NIGHTJAR_TASKS_CREDENTIAL_H
#define NIGHTJAR_TASKS_CREDENTIAL_H

struct credential {
    const char *user;  /* what the forge expects beside a token */
    const char *token; /* in the environment; NULL: none for this host */
};

/* The credential for an https URL's host. Plain http gets one only on a
 * loopback host. */
struct credential credential_for_url(const char *url);

/* "host" or "host:port" of a remote's URL or scp form, owned by the caller;
 * NULL for one on this machine's disk. */
char *credential_host(const char *url);

#endif
