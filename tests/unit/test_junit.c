/* JUnit: which cases there are, what they say, and that the counts are right,
 * by another reader of XML. */
#include "tests/unit/reports.h"

static void test_junit_counts(struct span xml)
{
    expect_well_formed(xml, "mixed");
    expect_xpath(xml, "count(/testsuites/testsuite)", "2");
    expect_xpath(xml, "count(//testsuite/testsuite)", "0");
    expect_xpath(xml, "count(//testcase)", "13");
    expect_xpath(xml, "string(/testsuites/@tests)", "13");
    expect_xpath(xml, "string(/testsuites/@failures)", "3");
    expect_xpath(xml, "string(/testsuites/@errors)", "2");
    expect_xpath(xml, "string(/testsuites/@skipped)", "4");
    expect_xpath(xml, "sum(//testsuite/@tests)", "13");
    expect_xpath(xml, "count(//failure)", "3");
    expect_xpath(xml, "count(//error)", "2");
    expect_xpath(xml, "count(//skipped)", "4");
    expect_xpath(xml, "string(//testsuite[1]/@tests)", "9");
    expect_xpath(xml, "string(//testsuite[1]/@failures)", "2");
    expect_xpath(xml, "string(//testsuite[1]/@errors)", "0");
    expect_xpath(xml, "string(//testsuite[1]/@skipped)", "3");
    expect_xpath(xml, "string(//testsuite[2]/@errors)", "2");
    expect_xpath(xml, "count(//testsuite[@hostname='nightjar'])", "2");
    expect_xpath(xml, "string-length(//testsuite[1]/@timestamp)", "19");
}

static void test_junit_cases(struct span xml)
{
    expect_xpath(xml, "count(//testcase[@classname='nightly.good'])", "2");
    expect_xpath(xml, "count(//testcase[@classname='nightly.good']/*)", "0");
    expect_xpath(xml, "string(//testcase[@name='good']/@time)", "1.250");
    expect_xpath(xml, "string(//testcase[@name='test']/@time)", "0.250");
    expect_xpath(xml, "string(//testsuite[1]/@time)", "5.250");
    expect_xpath(xml, "string(//testcase[@name='bad']/failure/@type)",
                 "verify");
    expect_xpath(xml, "string(//testcase[@name='bad']/failure/@message)",
                 "step 'test' failed");
    expect_xpath(xml,
                 "substring-before(//testcase[@name='bad']/failure,'reason')",
                 "step 'test' failed");
    expect_xpath(xml, "string(//testcase[@classname='nightly.bad']/failure)",
                 "exit status 2\n1 < 2 & \"3\"\nend");
    expect_xpath(xml,
                 "string(//testcase[@classname='nightly.bad']"
                 "[@name='docs']/skipped/@message)",
                 "not run: the step 'test' ended the round");
    expect_xpath(xml, "string(//testcase[@classname='nightly.cut']/skipped)",
                 "not run: the task ended before it (fail_fast)");
    expect_xpath(xml, "string(//testcase[@name='cut']/skipped/@message)",
                 "fail_fast: a task before it failed");
    expect_xpath(xml, "string(//testcase[@name='broken']/error/@type)",
                 "network");
    expect_xpath(xml, "string(//testcase[@name='left']/error/@type)",
                 "unfinished");
    expect_xpath(xml, "string(//testcase[@name='ruled']/failure/@message)",
                 "policy");
    expect_xpath(xml, "starts-with(//testcase[@name='ruled']/failure,'policy')",
                 "true");
    expect_xpath(xml,
                 "contains(//testcase[@name='ruled']/failure,"
                 "'violation: protect: ci.yml: must not change')",
                 "true");
    expect_xpath(xml, "string(//testcase[@name='good']/system-out)",
                 "reason: verified\nattempts: 1\nturns: 1\n"
                 "tokens: 1000 in (600 cached), 50 out\ncost: $1.250000\n"
                 "patch: tasks/good/patch.diff\nfinal: tasks/good/final.md");
    expect_xpath(xml,
                 "contains(//testcase[@name='bad']/system-out,"
                 "'cost: unknown')",
                 "true");
}

static void test_junit_mixed(void)
{
    CLEANUP(buffer_free) struct buffer xml = {0};
    struct journal journal;

    make_mixed(&journal);
    xml = report_of("junit", &journal);
    test_junit_counts(buffer_span(&xml));
    test_junit_cases(buffer_span(&xml));
    journal_free(&journal);
}

/* A step whose first attempt ran and whose second never came to it. */
static void test_junit_attempts(void)
{
    CLEANUP(buffer_free) struct buffer xml = {0};
    struct journal journal;

    journal_init(&journal);
    journal_planned(&journal, "a", "s", "[\"x\"]");
    journal_step(&journal, "a", 1, 1, "x", "failed", "old");
    journal_attempt(&journal, "a", 2);
    journal_finished(&journal, "a", "failed", "budget", "no turns left");
    xml = report_of("junit", &journal);
    expect_xpath(buffer_span(&xml), "count(//testcase[@name='x']/skipped)",
                 "1");
    expect_xpath(buffer_span(&xml), "string(/testsuites/@failures)", "1");
    journal_free(&journal);
}

static void test_junit_names(void)
{
    static const char *const once[] = {"b",     "x", "x (2)", "x (2) (2)",
                                       "x (3)", "q", "q (2)"};
    CLEANUP(buffer_free) struct buffer xml = {0};
    struct journal journal;

    journal_init(&journal);
    journal_planned(&journal, "b", "a", "[\"x\",\"x\",\"x (2)\",\"\"]");
    journal_planned(&journal, "x", "a.b", "[]");
    journal_planned(&journal, "q\x01", "a.b", "[]");
    journal_planned(&journal, "q\x02", "a.b", "[]");
    journal_planned(&journal, "\x1b", "\x02", "[]");
    xml = report_of("junit", &journal);
    expect_well_formed(buffer_span(&xml), "names");
    expect_xpath(buffer_span(&xml), "count(//testcase)", "9");
    expect_xpath(buffer_span(&xml), "count(//testcase[@classname='a.b'])", "7");
    for (size_t i = 0; i < ARRAY_LENGTH(once); i++) {
        CLEANUP(mem_free)
        char *path = mem_format("count(//testcase[@name='%s'])", once[i]);

        expect_xpath(buffer_span(&xml), path, "1");
    }
    expect_xpath(buffer_span(&xml), "count(//testcase[@name='unnamed'])", "2");
    journal_free(&journal);
}

int main(void)
{
    test_junit_mixed();
    test_junit_attempts();
    test_junit_names();
    return tap_done();
}
