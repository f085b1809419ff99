/* The floor of the benchmarks: what a turn costs at least.
 *
 *     floor URL TURNS COMMAND
 *
 * Does the same HTTP exchange as a conversation of TURNS turns: a request
 * whose body grows by a call and its output each time, over one connection of
 * plain libcurl, the response thrown away; and between two requests runs
 * `bash -c COMMAND`, as the agent does, by fork and exec, reading its output
 * through a pipe. No parsing, no sandbox, no journal. Prints nothing. */
#include <curl/curl.h>
#include <sys/wait.h>

#include "base/buffer.h"
#include "base/memory.h"

#define BODY_MAX ((size_t)256 << 20)

static size_t discard(char *data, size_t size, size_t count, void *context)
{
    (void)data;
    (void)context;
    return size * count;
}

static int run(const char *command)
{
    char bytes[4096];
    int ends[2];
    pid_t pid;
    int status;

    if (pipe(ends))
        return -1;
    pid = fork();
    if (pid == 0) {
        dup2(ends[1], 1);
        dup2(ends[1], 2);
        close(ends[0]);
        close(ends[1]);
        execl("/bin/bash", "bash", "-c", command, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    while (read(ends[0], bytes, sizeof(bytes)) > 0)
        ;
    close(ends[0]);
    return waitpid(pid, &status, 0) == pid ? 0 : -1;
}

static int post(CURL *curl, struct buffer *body)
{
    size_t length = body->length;
    long status = 0;

    buffer_add_string(body, "]}");
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body->data);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)body->length);
    if (curl_easy_perform(curl) ||
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status) ||
        status != 200)
        return -1;
    buffer_truncate(body, length);
    return 0;
}

static void add_turn(struct buffer *body, long turn)
{
    buffer_addf(body,
                "%s{\"type\":\"function_call\",\"call_id\":\"c%ld\",\"name\":"
                "\"exec_command\",\"arguments\":\"{}\",\"id\":\"fc_%ld\"},"
                "{\"type\":\"function_call_output\",\"call_id\":\"c%ld\","
                "\"output\":\"Chunk ID: 000001\\nWall time: 0.0 seconds\\n"
                "Process exited with code 0\\nOriginal token count: 0\\n"
                "Output:\\n\"}",
                turn > 1 ? "," : "", turn, turn, turn);
}

int main(int argc, char **argv)
{
    CLEANUP(buffer_free) struct buffer body;
    struct curl_slist *headers = NULL;
    CURL *curl;
    long turns;

    if (argc != 4)
        return 2;
    turns = strtol(argv[2], NULL, 10);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    curl = curl_easy_init();
    headers = curl_slist_append(headers, "Content-Type: application/json");
    headers = curl_slist_append(headers, "Expect:");
    curl_easy_setopt(curl, CURLOPT_URL, argv[1]);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, discard);
    buffer_init(&body, BODY_MAX);
    /* As large as nightjar's own head and first items. */
    buffer_add_string(&body, "{\"model\":\"m\",\"instructions\":\"");
    for (int i = 0; i < 5700; i++)
        buffer_add_byte(&body, 'x');
    buffer_add_string(&body, "\",\"input\":[");
    for (long turn = 1; turn <= turns; turn++) {
        if (post(curl, &body) || run(argv[3]))
            return 1;
        add_turn(&body, turn);
    }
    if (post(curl, &body))
        return 1;
    curl_easy_cleanup(curl);
    curl_slist_free_all(headers);
    return 0;
}
