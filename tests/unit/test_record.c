/* runner/agent/record: a transcript, whole, torn anywhere, and wrong. */
#include "runner/agent/record.h"

#include "base/memory.h"
#include "tests/tap.h"

#define BEGUN                                                           \
    "{\"type\":\"nightjar.begun\",\"attempt\":1,\"base\":\"aa\","       \
    "\"after_setup\":\"bb\",\"key\":\"k-1\",\"body\":{\"model\":\"m\"," \
    "\"input\":[]}}\n"
#define USER(text)                                                    \
    "{\"type\":\"message\",\"role\":\"user\",\"content\":[{\"type\":" \
    "\"input_text\",\"text\":\"" text "\"}]}\n"
#define PREFIX "{\"type\":\"nightjar.prefix\",\"attempt\":1}\n"
#define THINKS "{\"type\":\"reasoning\", \"summary\":[]}\n"
#define CALL(id)                                                         \
    "{\"type\":\"function_call\",\"call_id\":\"" id "\",\"name\":\"t\"," \
    "\"arguments\":\"{}\"}\n"
#define SAYS                                                               \
    "{\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":" \
    "\"output_text\",\"text\":\"Done.\"}]}\n"
#define OUTPUT(id)                                               \
    "{\"type\":\"function_call_output\",\"call_id\":\"" id "\"," \
    "\"output\":\"x\"}\n"
#define RESPONSE(turn)                                                 \
    "{\"type\":\"nightjar.response\",\"attempt\":1,\"turn\":" turn "," \
    "\"compactions\":0,\"context_tokens\":90,\"told\":2,\"totals\":{"  \
    "\"turns\":" turn ",\"input_tokens\":100,\"output_tokens\":20,"    \
    "\"cost_microusd\":7}}\n"
#define COMPACTED                                                           \
    "{\"type\":\"nightjar.compacted\",\"attempt\":1,\"turn\":2,"            \
    "\"compactions\":1,\"context_tokens\":0,\"told\":0,\"totals\":{"        \
    "\"turns\":2},\"origins\":[\"told\"],\"items\":[{\"type\":\"message\"," \
    "\"role\":\"user\",\"content\":[]}]}\n"

static struct error err;

static int read_text(const char *text, struct record *record)
{
    return record_read((struct span){text, strlen(text)}, NULL, record, &err);
}

static void body_is(struct record *record, const char *want, const char *name)
{
    struct span got = conversation_request(&record->conversation, 0);

    tap_bytes(got.data, got.length, want, strlen(want), "%s", name);
}

static void test_calls(void)
{
    struct record record;

    tap_int(read_text(BEGUN USER("p") PREFIX THINKS CALL("a") CALL("b")
                          RESPONSE("1") OUTPUT("a"),
                      &record),
            1, "one call is answered, one is not");
    tap_string(record.base.hex, "aa", "base");
    tap_string(record.after_setup.hex, "bb", "after setup");
    tap_string(record.key, "k-1", "key");
    tap_int(record.turn, 1, "turn");
    tap_int(record.totals.cost_microusd, 7, "cost");
    tap_int((int64_t)record.told, 2, "told");
    tap_ok(record.has_last && record.answered == 1, "the last response");
    record_answer_interrupted(&record);
    tap_ok(!record.has_last, "all calls have an answer then");
    tap_int((int64_t)record.conversation.items, 6, "so many items");
    tap_contains(conversation_item(&record.conversation, 5).data,
                 "\"call_id\":\"b\",\"output\":\"interrupted:", "for b");
    tap_contains(conversation_item(&record.conversation, 1).data,
                 "{\"type\":\"reasoning\", \"summary\":[]}",
                 "items are as they came");
    record_free(&record);
}

static void test_plan(void)
{
    struct record record;

    tap_int(
        read_text(BEGUN USER("p") PREFIX
                  "{\"type\":\"function_call\",\"call_id\":\"u\","
                  "\"name\":\"update_plan\",\"arguments\":\"{1}\"}\n" RESPONSE(
                      "1") OUTPUT("u") CALL("a") RESPONSE("2"),
                  &record),
        1, "a plan, and a response behind it");
    tap_string(record.plan, "{1}", "is still the plan");
    record_free(&record);
}

static void test_message(void)
{
    struct record record;

    tap_int(read_text(BEGUN USER("p") PREFIX SAYS RESPONSE("1"), &record), 1,
            "a response without calls");
    record_answer_interrupted(&record);
    tap_ok(record.has_last && record.last.count == 1, "is acted on again");
    tap_string(record.last.items[0].text, "Done.", "as it was");
    record_free(&record);
    tap_int(read_text(BEGUN USER("p") PREFIX SAYS RESPONSE("1") USER("more"),
                      &record),
            1, "one that was answered");
    tap_ok(!record.has_last, "is not");
    record_free(&record);
}

/* Cut anywhere, what is read is a start of the whole, and no response without
 * its line is there. */
static void test_torn(void)
{
    static const char text[] = BEGUN USER("p") PREFIX CALL("a") RESPONSE("1")
        OUTPUT("a") SAYS RESPONSE("2");
    struct record record;
    int wrong = 0;
    int begun = 0;

    for (size_t length = 0; length < strlen(text); length++) {
        CLEANUP(mem_free) char *part = mem_bytes(text, length);
        int status = read_text(part, &record);

        wrong += status < 0;
        begun += status == 1;
        if (status != 1)
            continue;
        wrong += record.turn == 2;
        wrong += record.turn == 0 && record.conversation.items != 1;
        wrong += record.turn == 1 && record.conversation.items > 3;
        record_free(&record);
    }
    tap_int(wrong, 0, "torn at each byte");
    tap_ok(begun > 0, "and often there is something to go on from (%d)", begun);
}

static void test_compacted(void)
{
    struct record record;

    tap_int(read_text(BEGUN USER("p") PREFIX CALL("a") RESPONSE("1") OUTPUT("a")
                          COMPACTED,
                      &record),
            1, "compacted");
    body_is(&record,
            "{\"model\":\"m\",\"input\":[{\"type\":\"message\",\"role\":"
            "\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"p\"}]},{"
            "\"type\":\"message\",\"role\":\"user\",\"content\":[]}]}",
            "the prefix and what is new");
    tap_int(record.compactions, 1, "counted");
    record_free(&record);
}

static void test_second_attempt(void)
{
    struct record record;

    tap_int(read_text(BEGUN USER("p") PREFIX CALL("a") RESPONSE("1") OUTPUT("a")
                          BEGUN USER("q"),
                      &record),
            0, "a second attempt whose prefix is not whole: nothing");
    tap_int(read_text(BEGUN USER("p") PREFIX CALL("a") RESPONSE("1") OUTPUT("a")
                          BEGUN USER("q") PREFIX,
                      &record),
            1, "whole");
    tap_int((int64_t)record.conversation.items, 1, "it is the only one");
    record_free(&record);
}

static void refuses(const char *text, const char *want)
{
    struct record record;

    if (tap_int(read_text(text, &record), -1, "refused: %s", want))
        tap_contains(err.text, want, "and why");
    else
        record_free(&record);
}

static void test_wrong(void)
{
    struct record record;

    tap_int(read_text("", &record), 0, "nothing");
    refuses("{\n", "transcript.jsonl:1");
    refuses(USER("p"), "transcript.jsonl:1: expected the start");
    refuses("{\"type\":\"nightjar.begun\",\"attempt\":1}\n", "no body");
    refuses(BEGUN PREFIX "{\"type\":\"nightjar.later\"}\n",
            "transcript.jsonl:3: a line that this version does not know");
    refuses(BEGUN PREFIX "{\"type\":\"function_call\"}\n" RESPONSE("1"),
            "an item that is none");
    refuses(BEGUN PREFIX "{\"type\":\"nightjar.compacted\",\"items\":[{}]}\n",
            "an item that is none");
}

int main(void)
{
    test_calls();
    test_plan();
    test_message();
    test_torn();
    test_compacted();
    test_second_attempt();
    test_wrong();
    return tap_done();
}
