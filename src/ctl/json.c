// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* JSON out of D-Bus messages; see json.h. Dictionaries with string keys become objects, every other array an
 * array, a variant its value. */

#include "ctl/json.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>

#include "ctl/table.h"

Json json_init(FILE *f, JsonMode mode)
{
    return (Json) {.f = f, .pretty = mode == JSON_PRETTY, .first = true};
}

static void new_line(Json *json)
{
    if (!json->pretty)
        return;
    fputc('\n', json->f);
    for (unsigned i = 0; i < json->depth; i++)
        fputs("    ", json->f);
}

void json_begin(Json *json, char bracket)
{
    fputc(bracket, json->f);
    json->depth++;
    json->first = true;
}

void json_end(Json *json, char bracket)
{
    json->depth--;
    if (!json->first)
        new_line(json);
    fputc(bracket, json->f);
    json->first = false;
}

void json_element(Json *json)
{
    if (!json->first)
        fputc(',', json->f);
    new_line(json);
    json->first = false;
}

void json_name(Json *json, const char *name)
{
    json_element(json);
    json_string(json, name);
    fputs(json->pretty ? ": " : ":", json->f);
}

/* Of one UTF-8 sequence of at most three bytes. */
static unsigned code_point(const unsigned char *p, size_t length)
{
    if (length == 1)
        return p[0];
    if (length == 2)
        return (p[0] & 0x1fu) << 6 | (p[1] & 0x3fu);
    return (p[0] & 0x0fu) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
}

void json_string(Json *json, const char *text)
{
    fputc('"', json->f);
    while (*text) {
        size_t length = text_control_length(text);
        if (length > 0)
            fprintf(json->f, "\\u%04x", code_point((const unsigned char *) text, length));
        else if (*text == '"' || *text == '\\')
            fprintf(json->f, "\\%c", *text);
        else
            fputc(*text, json->f);
        text += MAX(length, 1u);
    }
    fputc('"', json->f);
}

/* The shortest text that reads back as the same number. */
static void write_double(Json *json, double value)
{
    char text[40];

    if (!isfinite(value)) {
        fputs("null", json->f);
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    fputs(text, json->f);
}

static int write_basic(Json *json, sd_bus_message *m, char type)
{
    union {
        const char *s;
        int b;
        uint8_t y;
        int16_t n;
        uint16_t q;
        int32_t i;
        uint32_t u;
        int64_t x;
        uint64_t t;
        double d;
    } v;
    int r = sd_bus_message_read_basic(m, type, &v);

    if (r < 0)
        return r;
    switch (type) {
    case 's':
    case 'o':
    case 'g': json_string(json, v.s); break;
    case 'b': fputs(v.b ? "true" : "false", json->f); break;
    case 'y': fprintf(json->f, "%u", v.y); break;
    case 'n': fprintf(json->f, "%d", v.n); break;
    case 'q': fprintf(json->f, "%u", v.q); break;
    case 'i': fprintf(json->f, "%" PRId32, v.i); break;
    case 'u': fprintf(json->f, "%" PRIu32, v.u); break;
    case 'x': fprintf(json->f, "%" PRId64, v.x); break;
    case 't': fprintf(json->f, "%" PRIu64, v.t); break;
    case 'd': write_double(json, v.d); break;
    default: return -EBADMSG;
    }
    return 0;
}

static int write_value(Json *json, sd_bus_message *m);

/* Members of a dictionary whose array was entered. */
static int write_entries(Json *json, sd_bus_message *m)
{
    const char *name, *contents;
    char type;
    int r;

    while ((r = sd_bus_message_peek_type(m, &type, &contents)) > 0) {
        r = sd_bus_message_enter_container(m, 'e', contents);
        if (r >= 0)
            r = sd_bus_message_read_basic(m, 's', &name);
        if (r < 0)
            return r;
        json_name(json, name);
        r = write_value(json, m);
        if (r >= 0)
            r = sd_bus_message_exit_container(m);
        if (r < 0)
            return r;
    }
    return r;
}

static int write_elements(Json *json, sd_bus_message *m)
{
    int r;

    while ((r = sd_bus_message_at_end(m, false)) == 0) {
        json_element(json);
        r = write_value(json, m);
        if (r < 0)
            return r;
    }
    return r < 0 ? r : 0;
}

static int write_container(Json *json, sd_bus_message *m, char type, const char *contents)
{
    bool dictionary = type == 'a' && contents[0] == '{' && contents[1] == 's';
    int r = sd_bus_message_enter_container(m, type, contents);

    if (r < 0)
        return r;
    if (type == 'v') {
        r = write_value(json, m);
    } else {
        json_begin(json, dictionary ? '{' : '[');
        r = dictionary ? write_entries(json, m) : write_elements(json, m);
        json_end(json, dictionary ? '}' : ']');
    }
    return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int write_value(Json *json, sd_bus_message *m)
{
    const char *contents;
    char type;
    int r = sd_bus_message_peek_type(m, &type, &contents);

    if (r <= 0)
        return r < 0 ? r : -EBADMSG;
    return contents ? write_container(json, m, type, contents) : write_basic(json, m, type);
}

int json_members(Json *json, sd_bus_message *m)
{
    int r = sd_bus_message_enter_container(m, 'a', "{sv}");

    if (r >= 0)
        r = write_entries(json, m);
    if (r >= 0)
        r = sd_bus_message_exit_container(m);
    return MIN(r, 0);
}

void json_finish(Json *json)
{
    fputc('\n', json->f);
}
