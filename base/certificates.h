/* Where the certificates of the authorities to trust are: what SSL_CERT_FILE
 * and SSL_CERT_DIR say, else the system's own place.
 *
 *     struct certificates trusted = certificates_find();
 *     if (trusted.file) ... tell the library ...
 *
 * Libraries know one place, that of the system which they were built for. A
 * program that brings its libraries along runs on others, too. */
#ifndef NIGHTJAR_BASE_CERTIFICATES_H
#define NIGHTJAR_BASE_CERTIFICATES_H

struct certificates {
    const char *file;   /* PEM, of many; NULL: none to name */
    const char *folder; /* of hashed names; NULL likewise */
};

/* Both are NULL when the libraries find them by themselves, or when there are
 * none at all. The strings are constants or the environment's. */
struct certificates certificates_find(void);

#endif
