// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* The directive log. Inside of core/config. */

#include "core/config/config.h"
#include "core/config/value.h"

/* log: FILE..., which add to those of earlier lines. */
void parse_log_statement(Statement *statement, const Directive *directive, LogConfig *config);
