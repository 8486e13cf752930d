// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* The text of a key file in chrony's format: lines of `ID [TYPE] KEY`, comments behind one of #;!%. KEY is
 * text, ASCII:text or HEX:digits. A bad line costs nothing but itself. */

#include "base/macros.h"
#include "core/api/authentication.h"

/* Bytes of a line without its end. */
#define KEY_LINE_MAX 2047

typedef enum KeyProblem {
    KEY_PROBLEM_LINE_TOO_LONG = 0,
    KEY_PROBLEM_WORDS,  /* neither two nor three of them */
    KEY_PROBLEM_ID,     /* not 1 to 4294967295 */
    KEY_PROBLEM_TYPE,   /* not one that we can do */
    KEY_PROBLEM_SECRET, /* empty, or not hexadecimal behind HEX: */
    KEY_PROBLEM_LENGTH, /* not what the cipher needs */
    KEY_PROBLEM_DUPLICATE,
    KEY_PROBLEM_COUNT,
} KeyProblem;

/* A sentence for people, with nothing of the line in it. */
const char *key_problem_text(KeyProblem problem);

typedef struct Key {
    uint32_t id;
    KeyType type;
    uint32_t line;   /* of the file, from 1 */
    uint32_t offset; /* of the secret in Keys.secrets */
    uint16_t length; /* of it, bytes */
} Key;

/* Sorted by id; each id once. */
typedef struct Keys {
    Key *items; /* owned */
    size_t count;
    uint8_t *secrets; /* owned; wiped when freed */
    size_t secrets_size;
} Keys;

/* Called for each bad line, and for each further line of an id: the last one is used. */
typedef void (*KeyProblemHandler)(void *userdata, KeyProblem problem, uint32_t line, uint32_t id);

/* 0 or -ENOMEM. report may be NULL. */
int keys_parse(const char *text, size_t length, KeyProblemHandler report, void *userdata,
               Keys *ret) must_check_;
/* Wipes the secrets and leaves an empty value behind. */
void keys_clear(Keys *keys);
/* NULL: there is none. */
const Key *keys_find(const Keys *keys, uint32_t id);
