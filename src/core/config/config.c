// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* The Config value: its defaults, and who owns what in it. The defaults of directives and options stand here
 * and nowhere else; the parser starts from them. */

#include "core/config/config.h"

#include <errno.h>
#include <string.h>

#include "base/strings.h"
#include "base/text.h"

static const Config CONFIG_DEFAULT = {
    .selection =
        {
            .combine_limit = 3.0,
            .max_distance = 3.0,
            .max_jitter = 1.0,
            .reselect_distance = 1e-4,
            .stratum_weight = 1e-3,
            .min_stratum = 0,
            .max_stratum = 15,
            .min_sources = 1,
            .auth_mode = AUTH_SELECT_MIX,
        },
    .clock =
        {
            .precision = 0,
            .corr_time_ratio = 3.0,
            .max_clock_error = 1e-6,
            .max_drift = 0.1,
            .max_update_skew = 1e-3,
            .max_slew_rate = 83333.333e-6,
            .step_limit = 0,
            .max_change_offset = 0,
            .log_change = 1.0,
        },
    .net =
        {
            .acquisition_port = -1,
            .refresh = 1209600,
        },
    .server =
        {
            .port = 123,
            .log_limit = 524288,
        },
    .nts_server =
        {
            .port = 4460,
            .threads = 1,
            .max_connections = 100,
            .rotate = 604800,
        },
    .daemon =
        {
            .drift_interval = 3600,
        },
    .log = {.banner = 32},
    .min_samples = SOURCE_MIN_SAMPLES,
    .max_samples = SOURCE_MAX_SAMPLES,
};

int config_new(Config **ret)
{
    Config *config = malloc(sizeof(*config));

    if (!config)
        return -ENOMEM;
    *config = CONFIG_DEFAULT;
    config->server.rate_limit = RATE_LIMIT_CONFIG_DEFAULT;
    config->nts_server.rate_limit = NTS_RATE_LIMIT_CONFIG_DEFAULT;
    config->local = LOCAL_CONFIG_DEFAULT;
    config->nts = NTS_CONFIG_DEFAULT;
    *ret = config;
    return 0;
}

Config *config_free(Config *config)
{
    if (!config)
        return NULL;
    free(config->sources);
    free(config->key_file);
    free(config->daemon.drift_file);
    free(config->daemon.pid_file);
    free(config->daemon.user);
    server_config_clear(&config->server);
    nts_config_clear(&config->nts);
    nts_server_config_clear(&config->nts_server);
    free(config->log.dir);
    strings_clear(&config->initstepslew.hosts);
    strings_clear(&config->source_dirs);
    strings_clear(&config->files);
    free(config);
    return NULL;
}

int config_set_string(char **target, const char *value)
{
    char *copy = NULL;

    if (value) {
        copy = strdup(value);
        if (!copy)
            return -ENOMEM;
    }
    free(*target);
    *target = copy;
    return 0;
}

/* Capacity is the next power of two, so that n sources cost log n copies without a field for it. */
int config_add_source(Config *config, const SourceConfig *source)
{
    size_t n = config->source_count;

    if ((n & (n - 1)) == 0) {
        SourceConfig *sources = reallocarray(config->sources, n == 0 ? 1 : 2 * n, sizeof(*sources));

        if (!sources)
            return -ENOMEM;
        config->sources = sources;
    }
    config->sources[n] = *source;
    config->source_count = n + 1;
    return 0;
}

/* A slash at the end, or two, are the same directory; so is the old name of /run. */
static bool is_offers_directory(const char *path, size_t length)
{
    static const char old[] = "/var" CONFIG_OFFERS_DIRECTORY;
    const size_t skip = strlen("/var");

    while (length > 1 && path[length - 1] == '/')
        length--;
    return (length == strlen(old) && memcmp(path, old, length) == 0) ||
           (length == strlen(old) - skip && memcmp(path, old + skip, length) == 0);
}

bool config_takes_offers(const Config *config)
{
    for (size_t i = 0; config->source_dirs && config->source_dirs[i]; i++)
        for (const char *path = config->source_dirs[i]; *path != '\0';) {
            size_t length = strcspn(path, " ");

            if (is_offers_directory(path, length))
                return true;
            path += length;
            path += strspn(path, " ");
        }
    return false;
}

void config_drop_source_files(Config *config)
{
    size_t kept = 0, files = strings_count(config->files);

    for (size_t i = 0; i < config->source_count; i++)
        if (config->sources[i].origin[0] == '\0')
            config->sources[kept++] = config->sources[i];
    config->source_count = kept;
    for (; config->source_file_count > 0; config->source_file_count--, files--) {
        free(config->files[files - 1]);
        config->files[files - 1] = NULL;
    }
}

#define SWAP(a, b)                                                                                           \
    do {                                                                                                     \
        typeof(a) _swap = (a);                                                                               \
        (a) = (b);                                                                                           \
        (b) = _swap;                                                                                         \
    } while (false)

void config_swap_sources(Config *a, Config *b)
{
    SWAP(a->sources, b->sources);
    SWAP(a->source_count, b->source_count);
    SWAP(a->files, b->files);
    SWAP(a->source_file_count, b->source_file_count);
}

static int copy_heap_parts(const Config *from, Config *to)
{
    int r;

    for (size_t i = 0; i < from->source_count; i++) {
        r = config_add_source(to, &from->sources[i]);
        if (r < 0)
            return r;
    }
    r = server_config_copy(&from->server, &to->server);
    if (r < 0)
        return r;
    r = strings_add_all(&to->initstepslew.hosts, from->initstepslew.hosts);
    if (r < 0)
        return r;
    r = nts_config_copy(&from->nts, &to->nts);
    if (r < 0)
        return r;
    r = nts_server_config_copy(&from->nts_server, &to->nts_server);
    if (r < 0)
        return r;
    r = strings_add_all(&to->source_dirs, from->source_dirs);
    if (r < 0)
        return r;
    r = strings_add_all(&to->files, from->files);
    if (r < 0)
        return r;
    r = config_set_string(&to->key_file, from->key_file);
    if (r < 0)
        return r;
    r = config_set_string(&to->daemon.drift_file, from->daemon.drift_file);
    if (r < 0)
        return r;
    r = config_set_string(&to->daemon.pid_file, from->daemon.pid_file);
    if (r < 0)
        return r;
    r = config_set_string(&to->daemon.user, from->daemon.user);
    if (r < 0)
        return r;
    return config_set_string(&to->log.dir, from->log.dir);
}

int config_copy(const Config *config, Config **ret)
{
    cleanup_(config_freep) Config *copy = NULL;

    int r = config_new(&copy);
    if (r < 0)
        return r;

    *copy = *config;
    copy->sources = NULL;
    copy->source_count = 0;
    copy->server = (ServerConfig) {0};
    copy->nts = (NtsConfig) {0};
    copy->nts_server = (NtsServerConfig) {0};
    copy->initstepslew.hosts = copy->source_dirs = copy->files = NULL;
    copy->key_file = NULL;
    copy->daemon.drift_file = copy->daemon.pid_file = copy->daemon.user = NULL;
    copy->log.dir = NULL;

    r = copy_heap_parts(config, copy);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(copy);
    return 0;
}

SourceConfig source_config_default(SourceKind kind, const char *name)
{
    SourceConfig source = {
        .kind = kind,
        .port = 123,
        .nts_port = 4460,
        .family = IP_UNSPEC,
        .minpoll = 6,
        .maxpoll = 10,
        .max_delay = 3.0,
        .max_delay_dev_ratio = 10.0,
        .asymmetry = SOURCE_ASYMMETRY_UNKNOWN,
        .min_samples = SOURCE_MIN_SAMPLES,
        .max_samples = SOURCE_MAX_SAMPLES,
        .max_unreach = 100000,
        .poll_target = 8,
        .max_sources = 4,
        .presend = 100,
    };

    (void) text_copy(source.name, sizeof(source.name), name);
    return source;
}
