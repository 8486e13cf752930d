// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See kept-keys.h. Whoever may write the file may be our time: what is read is checked for its form, and that
 * the name is the one that was asked for is checked by who uses it. */

#include "nts/kept-keys.h"

#include <assert.h>
#include <string.h>

#include "base/hex.h"

#define FORMAT          "NNC0"
/* A line at most: a cookie or two keys in hexadecimal, with numbers before them. */
#define LINE_MAX_LENGTH (2 * NTS_COOKIE_MAX + 64)
#define WORDS_MAX       4

static_assert(LINE_MAX_LENGTH > 4 * NTS_KEY_MAX + 64, "two keys fit on a line");
static_assert(KEPT_KEYS_TEXT_MAX >
                  NTS_COOKIES * (2 * NTS_COOKIE_MAX + 1) + NTS_NAME_MAX + 4 * NTS_KEY_MAX + 256,
              "all lines fit");

static void append_hex(Text *text, const uint8_t *bytes, size_t length)
{
    char digits[2 * NTS_COOKIE_MAX + 1];

    hex_encode(bytes, length, digits);
    text_append(text, digits);
    explicit_bzero(digits, sizeof(digits));
}

void kept_keys_format(const NtsKept *kept, Text *text)
{
    char address[IP_ADDRESS_TEXT_MAX];

    text_append_format(text, FORMAT "\n%s\n%lld.0\n%s %u\n%u %d ", kept->name,
                       (long long) kept->established_s, ip_address_format(&kept->remote.address, address),
                       kept->remote.port, kept->serial, (int) kept->keys.aead);
    append_hex(text, kept->keys.s2c, kept->keys.length);
    text_append(text, " ");
    append_hex(text, kept->keys.c2s, kept->keys.length);
    text_append(text, "\n");
    for (size_t i = 0; i < kept->cookie_count; i++) {
        append_hex(text, kept->cookies[i].bytes, kept->cookies[i].length);
        text_append(text, "\n");
    }
}

/* What is left to be read, and the words of the line that was read last. */
typedef struct Lines {
    const char *next, *end;
    char line[LINE_MAX_LENGTH + 1];
    char *words[WORDS_MAX];
    size_t count;
} Lines;

/* False: there is no line any more, or it is none of ours. */
static bool read_line(Lines *lines)
{
    const char *newline = memchr(lines->next, '\n', (size_t) (lines->end - lines->next));
    size_t length = newline ? (size_t) (newline - lines->next) : 0;
    char *rest = lines->line, *word;

    lines->count = 0;
    if (!newline || length > LINE_MAX_LENGTH || memchr(lines->next, '\0', length))
        return false;
    memcpy(lines->line, lines->next, length);
    lines->line[length] = '\0';
    lines->next = newline + 1;
    while ((word = strsep(&rest, " "))) {
        if (*word == '\0' || lines->count == WORDS_MAX)
            return false;
        lines->words[lines->count++] = word;
    }
    return true;
}

static bool parse_number(const char *word, int64_t max, int64_t *ret)
{
    return text_to_int(word, ret) && *ret >= 0 && *ret <= max;
}

static bool parse_time(const char *word, int64_t *ret)
{
    double seconds;

    if (!text_to_double(word, &seconds) || seconds < 0 || seconds > 1e12)
        return false;
    *ret = (int64_t) seconds;
    return true;
}

static bool parse_remote(const Lines *lines, IpEndpoint *ret)
{
    int64_t port;

    if (lines->count != 2 || !ip_address_parse(lines->words[0], &ret->address) ||
        !parse_number(lines->words[1], UINT16_MAX, &port) || port == 0)
        return false;
    ret->port = (uint16_t) port;
    return true;
}

static bool parse_key(const char *word, size_t length, uint8_t *ret)
{
    return length > 0 && strlen(word) == 2 * length && hex_decode(word, 2 * length, ret);
}

static bool parse_keys(const Lines *lines, NtsKept *ret)
{
    int64_t serial, aead;

    if (lines->count != 4 || !parse_number(lines->words[0], UINT32_MAX, &serial) ||
        !parse_number(lines->words[1], UINT16_MAX, &aead))
        return false;
    size_t length = nts_aead_key_length((NtsAead) aead);
    ret->serial = (uint32_t) serial;
    ret->keys.aead = (NtsAead) aead;
    ret->keys.length = (uint8_t) length;
    return parse_key(lines->words[2], length, ret->keys.s2c) &&
           parse_key(lines->words[3], length, ret->keys.c2s);
}

static bool parse_cookie(const Lines *lines, NtsCookie *ret)
{
    size_t length = strlen(lines->words[0]);

    if (lines->count != 1 || length > 2 * NTS_COOKIE_MAX || !hex_decode(lines->words[0], length, ret->bytes))
        return false;
    ret->length = (uint16_t) (length / 2);
    return true;
}

static bool parse_all(Lines *lines, NtsKept *ret)
{
    if (!read_line(lines) || lines->count != 1 || !text_equal(lines->words[0], FORMAT))
        return false;
    if (!read_line(lines) || lines->count != 1 || !text_copy(ret->name, sizeof(ret->name), lines->words[0]))
        return false;
    if (!read_line(lines) || lines->count != 1 || !parse_time(lines->words[0], &ret->established_s))
        return false;
    if (!read_line(lines) || !parse_remote(lines, &ret->remote))
        return false;
    if (!read_line(lines) || !parse_keys(lines, ret))
        return false;
    for (; lines->next < lines->end && ret->cookie_count < NTS_COOKIES; ret->cookie_count++)
        if (!read_line(lines) || !parse_cookie(lines, &ret->cookies[ret->cookie_count]))
            return false;
    return true;
}

bool kept_keys_parse(const char *text, size_t length, NtsKept *ret)
{
    Lines lines = {.next = text, .end = text + length};

    *ret = (NtsKept) {0};
    bool good = parse_all(&lines, ret);
    explicit_bzero(lines.line, sizeof(lines.line));
    return good;
}
