// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* What is on the bus as JSON: the same names, units and signs as org.timeball1(5) documents, so that there is
 * one description for programs. Numbers that JSON cannot say (infinite, not a number) are null. */

#include <stdio.h>
#include <systemd/sd-bus.h>

#include "ctl/options.h"

typedef struct Json {
    FILE *f;
    bool pretty;
    unsigned depth;
    bool first; /* nothing was written in this object or array yet */
} Json;

Json json_init(FILE *f, JsonMode mode);

/* Objects and arrays; a member's name before its value. json_end() closes with '}' or ']'. */
void json_begin(Json *json, char bracket);
void json_end(Json *json, char bracket);
void json_name(Json *json, const char *name);
void json_element(Json *json);
void json_string(Json *json, const char *text);

/* Members of the a{sv} at which m stands, into the object that is open. */
int json_members(Json *json, sd_bus_message *m) must_check_;

/* The line feed at the end. */
void json_finish(Json *json);
