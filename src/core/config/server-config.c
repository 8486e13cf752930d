// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Copies and comparisons; see server-config.h. */

#include "core/config/server-config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

const RateLimitConfig RATE_LIMIT_CONFIG_DEFAULT = {.interval = 3, .burst = 8, .leak = 2};
const LocalConfig LOCAL_CONFIG_DEFAULT = {.stratum = 10, .distance = 1.0};

/* Room is the next power of two, so that it needs no field. */
static int make_room(void *list, size_t count, size_t size)
{
    void **items = list;

    if ((count & (count - 1)) != 0)
        return 0;
    void *grown = reallocarray(*items, count == 0 ? 1 : 2 * count, size);
    if (!grown)
        return -ENOMEM;
    *items = grown;
    return 0;
}

int server_config_add_address(ServerConfig *config, const IpAddress *address)
{
    int r = make_room(&config->addresses, config->address_count, sizeof(*config->addresses));

    if (r < 0)
        return r;
    config->addresses[config->address_count++] = *address;
    return 0;
}

int server_config_add_broadcast(ServerConfig *config, const BroadcastLine *line)
{
    int r = make_room(&config->broadcasts, config->broadcast_count, sizeof(*config->broadcasts));

    if (r < 0)
        return r;
    config->broadcasts[config->broadcast_count++] = *line;
    return 0;
}

int server_config_add_access(ServerConfig *config, const AccessRule *rule, const char *host)
{
    int r = make_room(&config->access, config->access_count, sizeof(*config->access));
    AccessLine line = {.rule = *rule};

    if (r < 0)
        return r;
    if (host && !(line.host = strdup(host)))
        return -ENOMEM;
    config->access[config->access_count++] = line;
    return 0;
}

static int copy_contents(const ServerConfig *from, ServerConfig *to)
{
    int r;

    if (from->signd_directory && !(to->signd_directory = strdup(from->signd_directory)))
        return -ENOMEM;
    for (size_t i = 0; i < from->address_count; i++)
        if ((r = server_config_add_address(to, &from->addresses[i])) < 0)
            return r;
    for (size_t i = 0; i < from->access_count; i++)
        if ((r = server_config_add_access(to, &from->access[i].rule, from->access[i].host)) < 0)
            return r;
    for (size_t i = 0; i < from->broadcast_count; i++)
        if ((r = server_config_add_broadcast(to, &from->broadcasts[i])) < 0)
            return r;
    return 0;
}

int server_config_copy(const ServerConfig *from, ServerConfig *to)
{
    *to = *from;
    to->addresses = NULL;
    to->access = NULL;
    to->broadcasts = NULL;
    to->signd_directory = NULL;
    to->address_count = to->access_count = to->broadcast_count = 0;
    int r = copy_contents(from, to);
    if (r < 0)
        server_config_clear(to);
    return r;
}

void server_config_clear(ServerConfig *config)
{
    for (size_t i = 0; i < config->access_count; i++)
        free(config->access[i].host);
    free(config->access);
    free(config->addresses);
    free(config->broadcasts);
    free(config->signd_directory);
    config->access = NULL;
    config->addresses = NULL;
    config->broadcasts = NULL;
    config->signd_directory = NULL;
    config->address_count = config->access_count = config->broadcast_count = 0;
}

bool rate_limit_config_equal(const RateLimitConfig *a, const RateLimitConfig *b)
{
    return a->enabled == b->enabled && a->interval == b->interval && a->burst == b->burst &&
           a->leak == b->leak && a->kod == b->kod;
}

bool local_config_equal(const LocalConfig *a, const LocalConfig *b)
{
    return a->enabled == b->enabled && a->stratum == b->stratum && a->distance == b->distance &&
           a->activate == b->activate && a->wait_synced == b->wait_synced &&
           a->wait_unsynced == b->wait_unsynced && a->orphan == b->orphan;
}

bool server_config_listens_equal(const ServerConfig *a, const ServerConfig *b)
{
    if (a->port != b->port || !text_equal(a->device, b->device) || a->address_count != b->address_count)
        return false;
    for (size_t i = 0; i < a->address_count; i++)
        if (!ip_address_equal(&a->addresses[i], &b->addresses[i]))
            return false;
    return true;
}
