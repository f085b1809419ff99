#!/bin/sh
# Makes the small repositories that the example works on, in FOLDER. Uses the
# git command only for that; nightjar itself does not need it.
set -eu
folder=$1
mkdir -p "$folder"
cd "$folder"

commit() {
    git init -q -b main .
    git add -A
    git -c user.name=example -c user.email=example@localhost \
        -c commit.gpgsign=false commit -q -m "$1"
}

# A library whose unit test fails: an empty string crashes the trimming.
mkdir trim && cd trim
cat >trim.c <<'EOF'
#include "trim.h"

#include <ctype.h>
#include <string.h>

char *trim(char *text)
{
    char *end;

    while (isspace((unsigned char)*text))
        text++;
    end = text + strlen(text) - 1;
    while (isspace((unsigned char)*end))
        end--;
    end[1] = '\0';
    return text;
}
EOF
cat >trim.h <<'EOF'
/* Removes white space at both ends, in place; returns the new start. */
char *trim(char *text);
EOF
cat >test.c <<'EOF'
#include "trim.h"

#include <stdio.h>
#include <string.h>

/* The input stands behind blanks, which must stay as they are, and the result
 * must be in the same memory. */
static int check(const char *input, const char *want)
{
    char memory[64] = "#   ";
    char *result;

    strcpy(memory + 4, input);
    result = trim(memory + 4);
    if (result >= memory && result < memory + sizeof(memory) &&
        !strcmp(result, want) && !memcmp(memory, "#   ", 4))
        return 0;
    printf("trim(\"%s\") is wrong\n", input);
    return 1;
}

int main(void)
{
    int failures = check(" a b ", "a b") + check("x", "x") + check("", "");

    printf("%d failures\n", failures);
    return failures != 0;
}
EOF
printf 'CFLAGS = -Wall -Wextra\n\ntest: trim-test\n\t./trim-test\n\ntrim-test: trim.c test.c trim.h\n\t$(CC) $(CFLAGS) -o $@ trim.c test.c\n\n.PHONY: test\n' >Makefile
echo trim-test >.gitignore
commit "trim: remove white space at both ends"
cd ..

# Three repositories that call a function by its old name.
for name in api web cli; do
    mkdir $name && cd $name
    printf 'def get_conf(key):\n    return {"name": "%s"}.get(key)\n' $name >config.py
    printf 'from config import get_conf\n\n\ndef title():\n    return get_conf("name").upper()\n' >app.py
    printf '# %s\n\nReads its settings with `get_conf`.\n' $name >README.md
    printf '#!/bin/sh\nset -eu\n! grep -rn "get_conf" --include="*.py" .\ngrep -q "def load_setting" config.py\n' >check.sh
    chmod +x check.sh
    commit "$name: first version"
    cd ..
done

# A repository with a workflow that nobody but a person may change.
mkdir service && cd service
mkdir -p .github/workflows
printf 'on: push\njobs:\n  test:\n    runs-on: ubuntu-24.04\n    steps:\n      - run: make test\n' >.github/workflows/test.yml
printf 'test:\n\t@echo no tests yet\n' >Makefile
commit "service: first version"
