// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See key-file.h. Secrets go from the text into one block, which is as large as the text and is wiped as a
 * whole; nothing else keeps a copy. */

#include "nts/key-file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "nts/mac.h"

/* A word of a line: not terminated. */
typedef struct Word {
    const char *text;
    size_t length;
} Word;

typedef struct Parser {
    Keys keys;
    size_t secrets_used;
    KeyProblemHandler report;
    void *userdata;
} Parser;

const char *key_problem_text(KeyProblem problem)
{
    switch (problem) {
    case KEY_PROBLEM_LINE_TOO_LONG: return "the line is too long";
    case KEY_PROBLEM_WORDS: return "expected ID [TYPE] KEY";
    case KEY_PROBLEM_ID: return "the identifier must be a number from 1 to 4294967295";
    case KEY_PROBLEM_TYPE: return "the type of the key is not supported";
    case KEY_PROBLEM_SECRET: return "the key is empty, or not hexadecimal";
    case KEY_PROBLEM_LENGTH: return "the key has not the length that its type needs";
    case KEY_PROBLEM_DUPLICATE: return "the identifier was used before, this key counts now";
    case KEY_PROBLEM_COUNT: break;
    }
    return "";
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Cuts a line into words; returns how many there are, `max` + 1 when there are more. */
static size_t split(const char *line, size_t length, Word *words, size_t max)
{
    size_t count = 0, i = 0;

    for (;;) {
        while (i < length && is_blank(line[i]))
            i++;
        if (i == length || count == max)
            return i == length ? count : max + 1;
        words[count].text = line + i;
        while (i < length && !is_blank(line[i]))
            i++;
        words[count].length = (size_t) (line + i - words[count].text);
        count++;
    }
}

static bool read_id(Word word, uint32_t *ret)
{
    uint64_t id = 0;

    for (size_t i = 0; i < word.length; i++) {
        if (word.text[i] < '0' || word.text[i] > '9')
            return false;
        id = id * 10 + (uint64_t) (word.text[i] - '0');
        if (id > UINT32_MAX)
            return false;
    }
    *ret = (uint32_t) id;
    return id > 0;
}

static bool read_type(Word word, KeyType *ret)
{
    char name[16];

    if (word.length >= sizeof(name))
        return false;
    memcpy(name, word.text, word.length);
    name[word.length] = '\0';
    const KeyTypeInfo *info = key_type_find(name);
    if (!info || !mac_is_supported(info->type))
        return false;
    *ret = info->type;
    return true;
}

static bool has_prefix(Word word, const char *prefix)
{
    return word.length >= strlen(prefix) && memcmp(word.text, prefix, strlen(prefix)) == 0;
}

/* The secret is never longer than the word, so there is room for it. */
static bool read_secret(Parser *parser, Word word, Key *key)
{
    uint8_t *secret = parser->keys.secrets + parser->secrets_used;

    if (has_prefix(word, "HEX:")) {
        if (!hex_decode(word.text + 4, word.length - 4, secret))
            return false;
        key->length = (uint16_t) ((word.length - 4) / 2);
    } else {
        size_t skip = has_prefix(word, "ASCII:") ? strlen("ASCII:") : 0;

        memcpy(secret, word.text + skip, word.length - skip);
        key->length = (uint16_t) (word.length - skip);
    }
    key->offset = (uint32_t) parser->secrets_used;
    return key->length > 0;
}

static bool fits_type(const Key *key)
{
    const KeyTypeInfo *info = key_type_find(key_type_name(key->type));

    return info && (info->key_length == 0 || key->length == info->key_length);
}

/* One line that is neither empty nor a comment. Returns KEY_PROBLEM_COUNT when it is good. */
static KeyProblem read_key(Parser *parser, const Word *words, size_t count, Key *key)
{
    if (count != 2 && count != 3)
        return KEY_PROBLEM_WORDS;
    if (!read_id(words[0], &key->id))
        return KEY_PROBLEM_ID;
    if (count == 3 && !read_type(words[1], &key->type))
        return KEY_PROBLEM_TYPE;
    if (!read_secret(parser, words[count - 1], key))
        return KEY_PROBLEM_SECRET;
    return fits_type(key) ? KEY_PROBLEM_COUNT : KEY_PROBLEM_LENGTH;
}

static void report(const Parser *parser, KeyProblem problem, const Key *key)
{
    if (parser->report)
        parser->report(parser->userdata, problem, key->line, key->id);
}

static void read_line(Parser *parser, const char *line, size_t length, uint32_t number)
{
    Key key = {.type = KEY_TYPE_MD5, .line = number};
    KeyProblem problem = KEY_PROBLEM_LINE_TOO_LONG;
    Word words[3];

    if (length <= KEY_LINE_MAX) {
        size_t count = split(line, length, words, ELEMENTS(words));
        if (count == 0 || strchr("#;!%", words[0].text[0]))
            return;
        problem = read_key(parser, words, count, &key);
    }
    if (problem != KEY_PROBLEM_COUNT) {
        report(parser, problem, &key);
        return;
    }
    parser->secrets_used += key.length;
    parser->keys.items[parser->keys.count++] = key;
}

static int compare_keys(const void *a, const void *b)
{
    const Key *x = a, *y = b;

    if (x->id != y->id)
        return x->id < y->id ? -1 : 1;
    return x->line < y->line ? -1 : x->line > y->line;
}

/* The last of each identifier stays (chrony behaviour). */
static void drop_duplicates(Parser *parser)
{
    Keys *keys = &parser->keys;
    size_t kept = 0;

    if (keys->count > 0)
        qsort(keys->items, keys->count, sizeof(keys->items[0]), compare_keys);
    for (size_t i = 0; i < keys->count; i++) {
        bool again = kept > 0 && keys->items[kept - 1].id == keys->items[i].id;
        if (again)
            report(parser, KEY_PROBLEM_DUPLICATE, &keys->items[i]);
        keys->items[again ? kept - 1 : kept++] = keys->items[i];
    }
    keys->count = kept;
}

static size_t count_lines(const char *text, size_t length)
{
    size_t count = 1;

    for (size_t i = 0; i < length; i++)
        count += text[i] == '\n';
    return count;
}

int keys_parse(const char *text, size_t length, KeyProblemHandler handler, void *userdata, Keys *ret)
{
    Parser parser = {
        .keys =
            {
                .items = calloc(count_lines(text, length), sizeof(Key)),
                .secrets = malloc(length + 1),
                .secrets_size = length + 1,
            },
        .report = handler,
        .userdata = userdata,
    };
    uint32_t number = 0;

    if (!parser.keys.items || !parser.keys.secrets) {
        keys_clear(&parser.keys);
        return -ENOMEM;
    }
    memset(parser.keys.secrets, 0, parser.keys.secrets_size);
    for (size_t start = 0; start < length;) {
        const char *end = memchr(text + start, '\n', length - start);
        size_t line = end ? (size_t) (end - text) - start : length - start;

        read_line(&parser, text + start, line, ++number);
        start += line + 1;
    }
    drop_duplicates(&parser);
    *ret = parser.keys;
    return 0;
}

void keys_clear(Keys *keys)
{
    if (keys->secrets)
        explicit_bzero(keys->secrets, keys->secrets_size);
    free(keys->secrets);
    free(keys->items);
    *keys = (Keys) {0};
}

const Key *keys_find(const Keys *keys, uint32_t id)
{
    size_t low = 0, high = keys->count;

    while (low < high) {
        size_t middle = (low + high) / 2;
        const Key *key = &keys->items[middle];
        if (key->id == id)
            return key;
        if (key->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}
