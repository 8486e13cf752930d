// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Copies; see nts-server-config.h. */

#include "core/config/nts-server-config.h"

#include <errno.h>
#include <string.h>

#include "base/strings.h"
#include "base/text.h"

const RateLimitConfig NTS_RATE_LIMIT_CONFIG_DEFAULT = {.interval = 6, .burst = 8, .leak = 2};

int nts_server_config_copy(const NtsServerConfig *from, NtsServerConfig *to)
{
    NtsServerConfig copy = *from;
    int r;

    copy.certificates = copy.keys = NULL;
    copy.ntp_server = from->ntp_server ? strdup(from->ntp_server) : NULL;
    if ((from->ntp_server && !copy.ntp_server) ||
        (r = strings_add_all(&copy.certificates, from->certificates)) < 0 ||
        (r = strings_add_all(&copy.keys, from->keys)) < 0) {
        nts_server_config_clear(&copy);
        return -ENOMEM;
    }
    *to = copy;
    return 0;
}

bool nts_server_config_serves_equal(const NtsServerConfig *a, const NtsServerConfig *b)
{
    return a->port == b->port && a->threads == b->threads && a->max_connections == b->max_connections &&
           text_equal(a->ntp_server, b->ntp_server);
}

void nts_server_config_clear(NtsServerConfig *config)
{
    strings_clear(&config->certificates);
    strings_clear(&config->keys);
    free(config->ntp_server);
    config->ntp_server = NULL;
}
