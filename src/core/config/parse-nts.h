// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* The directives of Network Time Security whose arguments have a shape of their own. Inside of core/config.
 */

#include "core/config/config.h"
#include "core/config/value.h"

/* ntsaeads: [ID]..., in place of what an earlier line said. */
void parse_aeads_statement(Statement *statement, NtsConfig *config);

/* ntstrustedcerts: [SET] FILE. */
int parse_trust_statement(Statement *statement, const Directive *directive, NtsConfig *config) must_check_;

/* What a source says about NTS must go together. */
void check_source_authentication(Statement *statement, const SourceConfig *source);
