/* What can be written in a place of the command line, for completion by
 * shells: behind an option, or as an argument of a command.
 *
 *     CLEANUP(place_free) struct place place = {0};
 *     place_of_option(&place, option);
 *     for (size_t i = 0; i < place.count; i++) ... place.words[i] ... */
#ifndef NIGHTJAR_RUNNER_OPTIONS_PLACE_H
#define NIGHTJAR_RUNNER_OPTIONS_PLACE_H

#include "runner/options_table.h"

enum taken {
    TAKEN_NOTHING, /* that a shell could know */
    TAKEN_FILE,
    TAKEN_FOLDER,
    TAKEN_WORD,   /* of `words`, or something else */
    TAKEN_LIST,   /* of words, separated by commas */
    TAKEN_REPORT, /* FORMAT or FORMAT=PATH */
    TAKEN_TASK,   /* of the run directory that is written before it */
    TAKEN_COMMAND /* of the system, and its own arguments */
};

struct place {
    enum taken taken;
    const char *words[ERROR_KINDS + COMMANDS + 8];
    size_t count;
    struct buffer memory; /* of words that were put together */
};

/* The value of an option, which has one. */
void place_of_option(struct place *place, const struct option_text *option);

/* The argument at `*text`, which is (the rest of) command_text's arguments;
 * moves on to the next one and tells whether this one may be `repeated`.
 * False behind the last. The place is to be freed in any case. */
bool place_next(struct place *place, const char **text, bool *repeated);

/* Releases the words; a zeroed place is fine. */
void place_free(struct place *place);

#endif
