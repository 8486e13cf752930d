// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* The directives of the server whose arguments have a shape of their own. Inside of core/config. */

#include "core/config/config.h"
#include "core/config/value.h"

/* broadcast: INTERVAL ADDRESS [PORT]. */
int parse_broadcast_statement(Statement *statement, const Directive *directive, Config *config) must_check_;

/* allow, deny: [all] [ADDRESS|SUBNET|HOST]. */
int parse_access_statement(Statement *statement, const Directive *directive, Config *config) must_check_;

/* bindaddress: ADDRESS. */
int parse_listen_statement(Statement *statement, const Directive *directive, Config *config) must_check_;

/* local, ratelimit: [OPTION VALUE]..., from their defaults on, whatever an earlier line said. */
int parse_options_statement(Statement *statement, const Directive *directive, Config *config) must_check_;
