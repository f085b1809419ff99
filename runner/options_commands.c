/* The commands: what they are called, take and do. */
#include "runner/options_table.h"

const struct command_text command_texts[COMMANDS] = {
    [COMMAND_RUN] =
        {"run", "MANIFEST...", 0, OPTIONS_LIST_MAX,
         "work on every task of the manifests",
         "Takes every task from its repository to a verified patch: clones "
         "it, lets the model work on it in a sandbox, applies the patch to a "
         "clean checkout and runs the task's checks there.\n\n"
         "What happened goes to a run directory: journal.jsonl, tasks/ID/ "
         "with patch.diff, final.md and transcript.jsonl, and reports/ with "
         "report.html, report.json, junit.xml and summary.md. Progress goes to "
         "standard error, the "
         "final table to standard output. Standard input is never read.\n\n"
         "The first SIGINT, SIGTERM or SIGHUP lets running tasks finish their "
         "turn and starts nothing more; the second ends them. Reports are "
         "written in both cases.",
         "nightjar run tasks.yaml  # all tasks\n"
         "nightjar run tasks.yaml --filter 'fix-*' --jobs 4  # some of them\n"
         "nightjar run tasks.yaml --dry-run  # show what would be done\n"
         "nightjar run tasks.yaml --sample 20  # a few, to see how it goes\n"
         "nightjar run tasks.yaml --shard 2/4  # a part, on one of 4 machines\n"
         "nightjar run --resume .nightjar/runs/ID  # go on with one that was "
         "cut off\n"
         "nightjar run --resume .nightjar/runs/ID --retry failed  # once more"},
    [COMMAND_CHECK] =
        {"check", "MANIFEST...", 1, OPTIONS_LIST_MAX,
         "check manifests and list their tasks",
         "Reads and expands the manifests, prints every problem in them, and "
         "otherwise the ids of their tasks. Nothing is cloned or run.",
         "nightjar check tasks.yaml  # is it right, and what is in it"},
    [COMMAND_REPORT] =
        {"report", "RUN_DIRECTORY...", 1, OPTIONS_LIST_MAX,
         "write reports of a run again",
         "Reads the journal of a run directory and writes reports from it; "
         "the same run directory gives the same bytes in the same environment. "
         "Without "
         "--report it prints the table. Several run directories are reported "
         "as the one that 'nightjar merge' makes of them.",
         "nightjar report .nightjar/runs/ID --report junit  # to standard "
         "output\n"
         "nightjar report out --report html=report.html  # to a file\n"
         "nightjar report out --report patches=p  # then: git am p/NAME/*\n"
         "nightjar report out --otlp  # to OTEL_EXPORTER_OTLP_ENDPOINT"},
    [COMMAND_SHOW] =
        {"show", "RUN_DIRECTORY TASK", 2, 2, "read what a task's agent did",
         "Prints the task's conversation (what was asked, what the agent said "
         "and ran, what came back), then its checks and its verdict. On a "
         "terminal it goes through PAGER, else less. Long outputs are cut in "
         "the middle unless --verbose is given.",
         "nightjar show .nightjar/runs/ID fix-login  # one task\n"
         "nightjar show .nightjar/runs/ID fix-login -v | grep error  # all of "
         "it"},
    [COMMAND_DIFF] =
        {"diff", "RUN_DIRECTORY RUN_DIRECTORY", 2, 2,
         "tell what changed between two runs",
         "Compares two runs task by task: broken (passed before, not now), "
         "fixed, flaky (ended otherwise although commit, prompt and checks are "
         "the same, or passed only at a later attempt), failing, new and gone; "
         "and what it cost and took. The exit status is 1 when something is "
         "broken.",
         "nightjar diff last-night tonight  # what is new this morning\n"
         "nightjar diff last-night tonight --json | jq .counts  # for "
         "programs"},
    [COMMAND_ESTIMATE] =
        {"estimate", "MANIFEST...", 1, OPTIONS_LIST_MAX,
         "tell what a run would cost, by an earlier one",
         "Projects cost, tokens and time of all tasks of the manifests from a "
         "run of some of them: a task that was in it is expected to cost what "
         "it cost, the others the mean. The interval is where 95 of 100 such "
         "runs would be if the rest are like those that were run.",
         "nightjar run tasks.yaml --sample 10 --out pilot  # a few first\n"
         "nightjar estimate tasks.yaml --from pilot  # then all of them"},
    [COMMAND_INIT] =
        {"init", "", 0, 0, "print a manifest of one task",
         "Prints a manifest for 'nightjar run': a first one to go on from, or "
         "one for a task that a script puts together. Whatever the texts hold, "
         "they stay texts.",
         "nightjar init > tasks.yaml  # to edit\n"
         "nightjar init --prompt 'Fix the lint.' --verify 'make lint'  # a "
         "whole "
         "one"},
    [COMMAND_PLAN] =
        {"plan", "MANIFEST...", 1, OPTIONS_LIST_MAX,
         "tell how the tasks can be divided between machines",
         "Prints how many tasks each part has, for --shard of run. With "
         "--matrix github, prints the matrix of a job that runs one part on "
         "each machine, as one line of JSON.",
         "nightjar plan tasks.yaml --shards 4  # what is in each of 4 parts\n"
         "nightjar plan tasks.yaml --matrix github  # for fromJSON() in a "
         "workflow"},
    [COMMAND_MERGE] =
        {"merge", "RUN_DIRECTORY...", 1, OPTIONS_LIST_MAX,
         "make one run of several",
         "Puts the runs of all parts into one run directory, with the same "
         "reports as if one machine had run all of it. Of a task that is in "
         "several, the one that ended last counts, and it is told. The exit "
         "status is that of the whole.",
         "nightjar merge part-*/ --out all  # what the machines brought back"},
    [COMMAND_STATUS] =
        {"status", "RUN_DIRECTORY", 1, 1,
         "tell how far a run is, from another shell",
         "Prints what is done and what goes on, from the run's journal, which "
         "is only read: running tasks with their turn, tokens, cost and "
         "command, totals, and when it may be done.",
         "nightjar status .nightjar/runs/ID  # once\n"
         "watch nightjar status .nightjar/runs/ID  # again and again"},
    [COMMAND_LOGS] =
        {"logs", "RUN_DIRECTORY TASK", 2, 2, "print what happened in a task",
         "Prints a line for each event of a task: turns, commands with their "
         "outcome, checks with their output, verdicts.",
         "nightjar logs .nightjar/runs/ID fix-login  # until now\n"
         "nightjar logs .nightjar/runs/ID fix-login --follow  # and on"},
    [COMMAND_PROMPT] =
        {"prompt", "MANIFEST...", 1, OPTIONS_LIST_MAX,
         "print what the model is sent first",
         "Fetches the repository and prints, for each part of a task's first "
         "request, what it is, about how many tokens it has, and its text as "
         "the model gets it. With --json, prints the request's body, byte for "
         "byte as it would be sent. Needs no key, and sends nothing.",
         "nightjar prompt tasks.yaml --task fix-login  # of one task\n"
         "nightjar prompt tasks.yaml --json | jq .tools  # a part of it"},
    [COMMAND_WHY] =
        {"why", "RUN_DIRECTORY TASK", 2, 2,
         "tell what was decided about a task's tool calls",
         "Prints each tool call of a task with the decision about it, the rule "
         "that made it and the reason, as its events have it. Rules are named "
         "by file and line; default:LINE is a line of what 'nightjar policy' "
         "prints.",
         "nightjar why .nightjar/runs/ID fix-login  # all calls of a task"},
    [COMMAND_POLICY] =
        {"policy", "", 0, 0, "print the rules that every policy ends with",
         "Prints the default rules about tool calls, as the part of a manifest "
         "that would say the same. They follow after a manifest's own.",
         "nightjar policy  # what is denied when nothing else is said"},
    [COMMAND_SANDBOX] =
        {"sandbox", "-- COMMAND...", 1, OPTIONS_WORDS,
         "run a command in the sandbox that tasks have",
         "Runs a command as the commands of a task run: it sees the system's "
         "programs, an empty home and temporary folder of its own, and the "
         "workspace, which is changed in place; of the network, of other "
         "processes and of the environment nothing that is not named.\n\n"
         "Standard input, output and errors are passed through; on a terminal "
         "the command gets one of its own. The exit status is the command's, "
         "128 and its number for a signal; 127 or 126 when the command cannot "
         "be started, 125 when the sandbox cannot be made. What ended it at a "
         "limit is told on standard error.\n\n"
         "The workspace is untrusted afterwards: nothing in it should be run "
         "outside. Of its own repository, hooks and configuration are put "
         "back as they were: what the command made of them is kept beside "
         "them with the ending .nightjar-refused. Input is read ahead: give "
         "</dev/null in a loop that reads a list.",
         "nightjar sandbox -- make -j4 test  # does the build work in it\n"
         "nightjar sandbox -n registry.npmjs.org -- npm ci  # one host\n"
         "nightjar sandbox -m 512M -t 1m --json -- ./run.sh  # with limits"},
    [COMMAND_DOCTOR] =
        {"doctor", "", 0, 0, "probe what the host gives sandboxes",
         "Tries every layer of the sandbox by using it and tells, for each, "
         "whether it works, why not, and what to do about it. The exit status "
         "is 0 when commands can be confined, and 3 when they cannot.",
         "nightjar doctor  # is this machine fit, and what is missing\n"
         "nightjar doctor --json  # the same for programs"},
    [COMMAND_SCHEMA] =
        {"schema", "", 0, 0, "print the JSON Schema of manifests",
         "For editors: name it in the manifest's first line, '# "
         "yaml-language-server: $schema=nightjar.schema.json'. With "
         "--markdown, prints the reference of all keys instead.",
         "nightjar schema > nightjar.schema.json  # for an editor"},
    [COMMAND_HELP] = {"help", "[COMMAND]", 0, 1, "explain a command",
                      "Prints what the program or one of its commands does, as "
                      "text or as a manual page. With --markdown, prints the "
                      "reference of all commands; with --completion, what a "
                      "shell needs to complete command lines.",
                      "nightjar help run  # of one command\n"
                      "nightjar help --man run | man -l -  # as a man page\n"
                      "source <(nightjar help --completion bash)  # in bash"},
    [COMMAND_VERSION] = {"version", "", 0, 0,
                         "print the version and those of the libraries",
                         "Also as 'nightjar --version'.",
                         "nightjar version  # for a report of a fault"},
};
