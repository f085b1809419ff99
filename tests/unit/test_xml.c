/* The XML writer: cleaning, escaping, limits. */
#include "base/utf8.h"
#include "reporters/xml.h"
#include "tests/unit/reports.h"

static void expect_clean(struct span text, struct span want, const char *name)
{
    CLEANUP(buffer_free) struct buffer once;
    CLEANUP(buffer_free) struct buffer twice;

    buffer_init(&once, 4096);
    buffer_init(&twice, 4096);
    xml_clean(&once, text.data, text.length);
    tap_bytes(once.data, once.length, want.data, want.length, "clean: %s",
              name);
    xml_clean(&twice, once.data, once.length);
    tap_ok(span_equal(buffer_span(&once), buffer_span(&twice)),
           "clean: %s: stays so", name);
}

static void test_clean(void)
{
    expect_clean(SPAN("a\x1b[1;31mb\x1b[0mc\x1b[2 qd"), SPAN("abcd"), "CSI");
    expect_clean(SPAN("a\x1b]0;title\x07"
                      "b\x1b]8;;u\x1b\\c"),
                 SPAN("abc"), "OSC");
    expect_clean(
        SPAN("a\x1bPq1\n2\x1b\\b\x1b_x\x1b\\c\x1b^x\x1b\\d\x1bXx\x1b\\"),
        SPAN("abcd"), "DCS, APC, PM, SOS");
    expect_clean(SPAN("a\xC2\x9B"
                      "31mb\xC2\x9Dt\xC2\x9C"
                      "c\xC2\x90q\x1b\\d"),
                 SPAN("abcd"), "as single C1 controls");
    expect_clean(SPAN("a\x1b(Bb\x1b"
                      "cc\x1b#8d"),
                 SPAN("abcd"), "short ones");
    expect_clean(SPAN("a\x1b]no end"), SPAN("ano end"), "without an end");
    expect_clean(SPAN("a\x1b]x\x1b[1mb"), SPAN("axb"), "ended by another");
    expect_clean(SPAN("a\x1b"), SPAN("a"), "cut behind the escape");
    expect_clean(SPAN("a\x1b[3"), SPAN("a"), "cut in the middle");
    expect_clean(SPAN("a\0b\x01\t\n\r\x7f\xC2\x85"), SPAN("ab\t\n\r"),
                 "controls");
    expect_clean(SPAN("\xff\xed\xa0\x80x"),
                 SPAN("\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBDx"),
                 "bad bytes, a surrogate");
    expect_clean(SPAN("a\xEF\xBF\xBE\xEF\xB7\x90\xF0\x9F\xBF\xBF"
                      "b"),
                 SPAN("ab"), "non-characters");
    expect_clean(SPAN("\xE2\x80\xAE\xF3\xA0\x81\xA1"),
                 SPAN("<U+202E><U+E0061>"), "hidden characters");
    expect_clean(SPAN("[[ATTACH\x01MENT|a]] [[property|b]] [[x|"),
                 SPAN("[ [ATTACHMENT|a]] [ [property|b]] [[x|"), "directives");
    expect_clean(SPAN("]]> <![CDATA[ &amp; \xF0\x9F\x98\x80"),
                 SPAN("]]> <![CDATA[ &amp; \xF0\x9F\x98\x80"), "ordinary text");
}

static void test_xml(void)
{
    CLEANUP(buffer_free) struct buffer out;
    struct xml xml;

    buffer_init(&out, 4096);
    xml = xml_to(&out);
    xml_start(&xml, "a");
    xml_attribute(&xml, "b", "\t\n\r<>&\"'");
    xml_start(&xml, "c");
    xml_text(&xml, "\t\n\r<>&\"]]>", 9);
    xml_end(&xml);
    xml_start(&xml, "d");
    xml_attribute_int(&xml, "e", -1);
    xml_end(&xml);
    xml_end(&xml);
    tap_string(out.data,
               "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
               "<a b=\"&#9;&#10;&#13;&lt;&gt;&amp;&quot;'\">\n"
               "  <c>\t\n&#13;&lt;&gt;&amp;&quot;]]</c>\n"
               "  <d e=\"-1\"/>\n</a>\n",
               "elements, attributes, text");
    tap_ok(!xml.full, "it fits");
}

/* Three bytes a character, and one more on each side, so that both cuts would
 * fall into one. */
static void expect_cut(size_t characters, bool cut)
{
    CLEANUP(buffer_free) struct buffer text;
    CLEANUP(buffer_free) struct buffer out;
    struct xml xml;
    size_t length;

    buffer_init(&text, (size_t)1 << 20);
    buffer_add_byte(&text, '.');
    for (size_t i = 0; i < characters; i++)
        buffer_add_string(&text, "\xE2\x9C\x93");
    buffer_add_byte(&text, '.');
    buffer_init(&out, (size_t)1 << 20);
    xml = xml_to(&out);
    xml_start(&xml, "a");
    length = out.length;
    xml_text(&xml, text.data, text.length);
    length = out.length - length - 1; /* the tag's > */
    tap_ok(length <= XML_TEXT_MAX, "%zu characters: not over the limit",
           characters);
    tap_int(strstr(out.data, " bytes dropped ...]") != NULL, cut,
            "%zu characters: cut or not", characters);
    tap_ok(utf8_valid(out.data, out.length), "%zu characters: none is split",
           characters);
    xml_end(&xml);
    expect_well_formed(buffer_span(&out), "text at the limit");
    if (cut) {
        CLEANUP(mem_free) char *marker = NULL;

        marker = mem_format("[... %zu bytes dropped ...]",
                            text.length - (length - strlen("\n[... 00000 bytes "
                                                           "dropped ...]\n")));
        tap_contains(out.data, marker, "the marker is right");
    }
}

static void test_xml_limits(void)
{
    CLEANUP(buffer_free) struct buffer out;
    struct xml xml;

    expect_cut(XML_TEXT_MAX / 3 - 1, false);
    expect_cut(XML_TEXT_MAX / 3 + 10000, true);
    buffer_init(&out, 4096);
    xml = xml_to(&out);
    for (int i = 0; i <= XML_DEPTH_MAX; i++)
        xml_start(&xml, "a");
    tap_ok(xml.full, "too deep is told");
    xml_end(&xml);
    buffer_free(&out);
    buffer_init(&out, 60);
    xml = xml_to(&out);
    xml_start(&xml, "a");
    xml_text(&xml, "0123456789012345678901234567890123456789", 40);
    tap_ok(xml.full, "a full buffer is told");
}

int main(void)
{
    test_clean();
    test_xml();
    test_xml_limits();
    return tap_done();
}
