/* XML out: the only place that writes it.
 *
 *     struct xml xml = xml_to(&out);
 *     xml_start(&xml, "testsuites");
 *     xml_attribute(&xml, "name", name);
 *     xml_text(&xml, text, length);      // or elements inside
 *     xml_end(&xml);
 *
 * Well-formed whatever the texts are, as long as names are constants and each
 * start has its end: all text goes through xml_clean and is escaped; TAB, LF
 * and CR in attributes and CR in text are references, so that no reader
 * normalises them away. No CDATA, no entities of its own, no comments, only
 * UTF-8. Format: XML 1.0, fifth edition. */
#ifndef NIGHTJAR_REPORTERS_XML_H
#define NIGHTJAR_REPORTERS_XML_H

#include <stdbool.h>

#include "base/buffer.h"

#define XML_DEPTH_MAX 16
#define XML_TEXT_MAX ((size_t)64 << 10) /* bytes of one text, unescaped */

struct xml {
    struct buffer *out;
    const char *open[XML_DEPTH_MAX]; /* names of the open elements */
    size_t depth;
    bool tag_open; /* the last start tag still takes attributes */
    bool has_text; /* the innermost element: no line break before its end */
    bool full;     /* the buffer refused something: the text is no XML */
};

/* A writer at the end of a buffer, which must outlive it; writes the XML
 * declaration. */
struct xml xml_to(struct buffer *out);

void xml_start(struct xml *xml, const char *name);

/* Only between xml_start and what is inside the element. */
void xml_attribute(struct xml *xml, const char *name, const char *value);
void xml_attribute_int(struct xml *xml, const char *name, int64_t value);

/* Text in the innermost element. Of a text over XML_TEXT_MAX head and tail
 * are kept, with a line between them that says how many bytes were dropped.
 * Use it once for each element. */
void xml_text(struct xml *xml, const char *text, size_t length);

/* A line behind xml_text that Jenkins and GitLab take for a file to show with
 * the case: [[ATTACHMENT|DIRECTORY/PATH]]. Nothing is written for an
 * absolute directory, since readers take the path from where the job is, nor
 * for a path that leads out of it or holds other than letters, digits and
 * -._+@=,/ since there is no way to escape in it. */
void xml_attachment(struct xml *xml, const char *directory, const char *path);

/* Ends the innermost element. */
void xml_end(struct xml *xml);

/* Adds text without anything that XML 1.0 or its readers refuse or obey:
 * ill-formed UTF-8 becomes U+FFFD; terminal sequences go as a whole (CSI; OSC,
 * DCS, APC, PM and SOS up to their terminator, or only their introducer when
 * there is none; other escapes); C0 controls but TAB, LF and CR, DEL, C1
 * controls and non-characters are dropped; hidden characters of
 * base/printable.h are shown as <U+202E>; what CI systems obey in output is
 * broken by a blank behind its first character: "[[ATTACHMENT|",
 * "[[PROPERTY|", "##[", "##vso[", "##teamcity[", "section_start:",
 * "section_end:", and "::" at the start of a line. Applied twice it changes
 * nothing more. Returns -1 when the buffer is full. */
int xml_clean(struct buffer *out, const char *text, size_t length);

#endif
