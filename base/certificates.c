#include "base/certificates.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/memory.h"

/* The first is Debian's, which our libraries look at themselves. */
static const char *const usual[] = {
    "/etc/ssl/certs/ca-certificates.crt", /* Debian, Arch, Alpine */
    "/etc/pki/tls/certs/ca-bundle.crt",   /* Fedora, RHEL */
    "/etc/ssl/ca-bundle.pem",             /* openSUSE */
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
};

static const char *variable(const char *name)
{
    const char *value = getenv(name);

    return value && *value ? value : NULL;
}

struct certificates certificates_find(void)
{
    struct certificates found = {variable("SSL_CERT_FILE"),
                                 variable("SSL_CERT_DIR")};

    if (found.file || found.folder || !access(usual[0], R_OK))
        return found;
    for (size_t i = 1; i < ARRAY_LENGTH(usual) && !found.file; i++) {
        if (!access(usual[i], R_OK))
            found.file = usual[i];
    }
    return found;
}
